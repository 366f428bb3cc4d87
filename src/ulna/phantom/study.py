"""One phantom study: patient, views, finding, films, truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ulna.config.phantom import PhantomConfig
from ulna.phantom.anatomy import BUILDERS, Limb, Vary
from ulna.phantom.detector import expected_signal, expose, line_integral
from ulna.phantom.findings import DRAW, Placed
from ulna.phantom.nuisance import Nuisance, develop, draw_nuisance, extra_attenuation
from ulna.phantom.plan import StudyPlan, plan_study
from ulna.phantom.scene import project_scene
from ulna.phantom.strength import SeenView, band_of, solve_strength
from ulna.phantom.views import View, draw_views, pose
from ulna.types import FindingCategory, Laterality, Subtlety

# Streams of the seed: what is drawn from one never changes what is drawn from another.
_ANATOMY, _NUISANCE, _FINDING, _NOISE = range(4)
_SHARES = {
    Subtlety.OBVIOUS: (0.36, 0.40, 0.06, 0.05, 0.06, 0.07),
    Subtlety.MODERATE: (0.50, 0.0, 0.14, 0.13, 0.12, 0.11),
    Subtlety.SUBTLE: (0.50, 0.0, 0.14, 0.13, 0.12, 0.11),
}


@dataclass(frozen=True)
class PhantomView:
    """One film. pixels: (H, W) uint8; mask: (H, W) bool, the finding projected; cnr: its
    contrast-to-noise here (0 where it is not seen); spacing: mm per pixel at the limb."""

    name: str
    pixels: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_]
    cnr: float
    spacing: float
    laterality: Laterality


@dataclass(frozen=True)
class PhantomStudy:
    """All films of one study and the truth about it; category None for a normal study."""

    plan: StudyPlan
    views: tuple[PhantomView, ...]
    category: FindingCategory | None
    kind: str
    subtlety: Subtlety | None


def render_study(config: PhantomConfig, index: int) -> PhantomStudy:
    """Study `index` of the data set that `config` describes; a pure function of both."""
    plan = plan_study(config, index)

    def stream(kind: int, *more: int) -> np.random.Generator:
        number = plan.patient if kind == _ANATOMY else index
        return np.random.default_rng(np.random.SeedSequence((config.seed, kind, number, *more)))

    nuisance_rng = stream(_NUISANCE)
    side = Laterality.LEFT if nuisance_rng.random() < 0.5 else Laterality.RIGHT
    views = draw_views(plan.body_part, config.size, nuisance_rng)
    accidents = [draw_nuisance(nuisance_rng) for _ in views]
    limb = BUILDERS[plan.body_part](Vary(stream(_ANATOMY)))
    placed, strength, seen = None, 0.0, [0.0] * len(views)
    if plan.abnormal:
        placed, strength, seen = _choose(limb, views, accidents, config, stream(_FINDING))
    films = tuple(
        _film(limb, view, accident, (placed, strength, cnr), side, stream(_NOISE, i))
        for i, (view, accident, cnr) in enumerate(zip(views, accidents, seen, strict=True))
    )
    return PhantomStudy(
        plan=plan,
        views=films,
        category=placed.category if placed else None,
        kind=placed.kind if placed else "",
        subtlety=band_of(max(seen)) if placed else None,
    )


def _choose(
    limb: Limb,
    views: tuple[View, ...],
    accidents: list[Nuisance],
    config: PhantomConfig,
    rng: np.random.Generator,
) -> tuple[Placed, float, list[float]]:
    """A finding, the strength that brings it to the subtlety drawn for it, and its
    contrast-to-noise in each view."""
    shares = (config.obvious, config.moderate, config.subtle)
    levels = (Subtlety.OBVIOUS, Subtlety.MODERATE, Subtlety.SUBTLE)
    wanted = levels[int(rng.choice(3, p=shares))]
    exposed = [
        SeenView(pose(limb, v, 0), v.camera, a.exposure)
        for v, a in zip(views, accidents, strict=True)
    ]
    for _ in range(6):
        category = tuple(DRAW)[int(rng.choice(len(DRAW), p=_SHARES[wanted]))]
        placed = DRAW[category](rng, limb, wanted)
        strength, seen, reached = solve_strength(placed, exposed, wanted, rng)
        if reached:
            break
    return placed, strength, seen


def _film(
    limb: Limb,
    view: View,
    nuisance: Nuisance,
    finding: tuple[Placed | None, float, float],
    side: Laterality,
    rng: np.random.Generator,
) -> PhantomView:
    placed, strength, cnr = finding
    normal = pose(limb, view, 0)
    scene = placed.apply(normal, strength) if placed else normal
    projection = project_scene(scene, view.camera)
    if side is Laterality.LEFT:
        projection = projection.mirrored()
    extra = extra_attenuation(projection.soft, nuisance)
    signal = expected_signal(line_integral(projection, extra), nuisance.exposure)
    pixels = develop(expose(signal, nuisance.exposure, rng), nuisance, side)
    mask = projection.marked > 0.3
    return PhantomView(
        view.kind.name, pixels, np.ascontiguousarray(mask), cnr, view.camera.pixel, side
    )
