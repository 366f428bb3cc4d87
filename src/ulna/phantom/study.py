"""One phantom study: patient, views, finding, images, truth."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ulna.config.phantom import PhantomConfig
from ulna.phantom.anatomy import Limb, Vary, build_limb
from ulna.phantom.findings import DRAW, Placed
from ulna.phantom.image import PhantomImage, draw_images, render_image
from ulna.phantom.plan import StudyPlan, plan_study
from ulna.phantom.scene import Scene
from ulna.phantom.strength import SeenView, band_of, solve_strength
from ulna.phantom.views import pose
from ulna.types import BodyPart, FindingCategory, Laterality, Subtlety

# Streams of the seed: what is drawn from one never changes what is drawn from another.
_ANATOMY, _NUISANCE, _FINDING, _NOISE = range(4)
_SHARES = {
    Subtlety.OBVIOUS: (0.36, 0.40, 0.06, 0.05, 0.06, 0.07),
    Subtlety.MODERATE: (0.50, 0.0, 0.14, 0.13, 0.12, 0.11),
    Subtlety.SUBTLE: (0.50, 0.0, 0.14, 0.13, 0.12, 0.11),
}


@dataclass(frozen=True)
class PhantomView:
    """One image. pixels: (H, W) uint8; mask: (H, W) bool, the finding projected; cnr: its
    contrast-to-noise here (0 where it is not seen); spacing: mm per pixel at the limb."""

    name: str
    pixels: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_]
    cnr: float
    spacing: float
    laterality: Laterality


@dataclass(frozen=True)
class PhantomStudy:
    """All images of one study and the truth about it; category None for a normal study."""

    plan: StudyPlan
    views: tuple[PhantomView, ...]
    category: FindingCategory | None
    kind: str
    subtlety: Subtlety | None


def render_study(config: PhantomConfig, index: int) -> PhantomStudy:
    """Study `index` of the data set that `config` describes; a pure function of both."""
    plan, side, limb, images = draw_study(config, index)
    placed, strength, seen = None, 0.0, [0.0] * len(images)
    if plan.abnormal:
        placed, strength, seen = _choose(limb, images, config, _stream(config, plan, _FINDING))
    views = tuple(
        _view(
            plan.body_part,
            image,
            _scenes(limb, image, placed, strength),
            cnr,
            side,
            _stream(config, plan, _NOISE, i),
        )
        for i, (image, cnr) in enumerate(zip(images, seen, strict=True))
    )
    return PhantomStudy(
        plan=plan,
        views=views,
        category=placed.category if placed else None,
        kind=placed.kind if placed else "",
        subtlety=band_of(max(seen)) if placed else None,
    )


def draw_study(
    config: PhantomConfig, index: int
) -> tuple[StudyPlan, Laterality, Limb, tuple[PhantomImage, ...]]:
    """Plan, side, limb and images of study `index` with their accidents, before any exposure."""
    plan = plan_study(config, index)
    nuisance_rng = _stream(config, plan, _NUISANCE)
    side = Laterality.LEFT if nuisance_rng.random() < 0.5 else Laterality.RIGHT
    limb = build_limb(plan.body_part, config.framing, Vary(_stream(config, plan, _ANATOMY)))
    images = draw_images(limb, plan.body_part, config, nuisance_rng)
    return plan, side, limb, images


def _stream(config: PhantomConfig, plan: StudyPlan, kind: int, *more: int) -> np.random.Generator:
    number = plan.patient if kind == _ANATOMY else plan.index
    return np.random.default_rng(np.random.SeedSequence((config.seed, kind, number, *more)))


def _choose(
    limb: Limb, images: tuple[PhantomImage, ...], config: PhantomConfig, rng: np.random.Generator
) -> tuple[Placed, float, list[float]]:
    """A finding, the strength that brings it to the subtlety drawn for it, and its
    contrast-to-noise on each image (of a divided one its better half)."""
    shares = (config.obvious, config.moderate, config.subtle)
    levels = (Subtlety.OBVIOUS, Subtlety.MODERATE, Subtlety.SUBTLE)
    wanted = levels[int(rng.choice(3, p=shares))]
    exposed = [
        SeenView(pose(limb, v, 0), v.camera, f.nuisance.exposure) for f in images for v in f.panels
    ]
    best: tuple[Placed, float, list[float]] | None = None
    for _ in range(6):
        placed = _draw_shown(limb, images, wanted, config.findings, rng)
        strength, seen, reached = solve_strength(placed, exposed, wanted, rng)
        # a close image holds every finding, and the last one drawn stays
        if best is None or not limb.hinges or reached or max(seen) > max(best[2]):
            best = placed, strength, seen
        if reached:
            break
    assert best is not None
    placed, strength, seen = best
    each = iter(seen)
    return placed, strength, [max(next(each) for _ in f.panels) for f in images]


def _draw_shown(
    limb: Limb,
    images: tuple[PhantomImage, ...],
    wanted: Subtlety,
    findings: Collection[FindingCategory],
    rng: np.random.Generator,
) -> Placed:
    """A finding that lies on one of the images; what lies on none is drawn again."""
    shares = np.array(_SHARES[wanted])
    if set(findings) != set(DRAW):
        shares *= [category in findings for category in DRAW]
        shares /= shares.sum()
    for _ in range(60):
        category = tuple(DRAW)[int(rng.choice(len(DRAW), p=shares))]
        placed = DRAW[category](rng, limb, wanted)
        if any(image.shows(limb, placed) for image in images):
            break
    return placed


def _scenes(limb: Limb, image: PhantomImage, placed: Placed | None, strength: float) -> list[Scene]:
    normal = [pose(limb, view, 0) for view in image.panels]
    return [placed.apply(scene, strength) for scene in normal] if placed else normal


def _view(
    part: BodyPart,
    image: PhantomImage,
    scenes: list[Scene],
    cnr: float,
    side: Laterality,
    rng: np.random.Generator,
) -> PhantomView:
    pixels, mask = render_image(image, scenes, part, side, rng)
    return PhantomView(image.name, pixels, mask, cnr, image.spacing, side)
