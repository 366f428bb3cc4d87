"""One phantom study: patient, finding, rendered images and ground truth."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ulna.config.phantom import PhantomConfig
from ulna.phantom.anatomy import Limb, Variation, build_limb
from ulna.phantom.findings import DRAW, PlacedFinding
from ulna.phantom.image import PhantomImage, draw_images, render_image
from ulna.phantom.plan import StudyPlan, plan_study
from ulna.phantom.strength import NormalView, solve_strength, subtlety_of
from ulna.phantom.views import pose
from ulna.types import FindingCategory, Laterality, Subtlety

# Random streams: draws from one never change those from another.
_ANATOMY, _CONFOUNDERS, _FINDING, _NOISE = range(4)
# Probabilities of the categories, in the order of `DRAW`.
_SHARES = {
    Subtlety.OBVIOUS: (0.36, 0.40, 0.06, 0.05, 0.06, 0.07),
    Subtlety.MODERATE: (0.50, 0.0, 0.14, 0.13, 0.12, 0.11),
    Subtlety.SUBTLE: (0.50, 0.0, 0.14, 0.13, 0.12, 0.11),
}


@dataclass(frozen=True)
class PhantomView:
    """One rendered image.

    pixels: (H, W) uint8. mask: (H, W) bool, the projected finding. cnr: contrast-to-noise ratio of
    the finding in this image, 0 if it is not visible. spacing: mm per pixel at the limb.
    """

    name: str
    pixels: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.bool_]
    cnr: float
    spacing: float
    laterality: Laterality


@dataclass(frozen=True)
class PhantomStudy:
    """All images of one study and its ground truth; category: None for a normal study."""

    plan: StudyPlan
    views: tuple[PhantomView, ...]
    category: FindingCategory | None
    kind: str
    subtlety: Subtlety | None


def render_study(config: PhantomConfig, index: int) -> PhantomStudy:
    """Render study `index` of the data set that `config` describes, as a pure function of both."""
    plan, side, limb, images = draw_study(config, index)
    placed, strength, seen = None, 0.0, [0.0] * len(images)
    if plan.abnormal:
        placed, strength, seen = _choose(limb, images, config, _stream(config, plan, _FINDING))
    views = []
    for i, (image, cnr) in enumerate(zip(images, seen, strict=True)):
        scenes = [pose(limb, view, 0) for view in image.panels]
        if placed:
            scenes = [placed.apply(scene, strength) for scene in scenes]
        noise = _stream(config, plan, _NOISE, i)
        pixels, mask = render_image(image, scenes, plan.body_part, side, noise)
        views.append(PhantomView(image.name, pixels, mask, cnr, image.spacing, side))
    return PhantomStudy(
        plan=plan,
        views=tuple(views),
        category=placed.category if placed else None,
        kind=placed.kind if placed else "",
        subtlety=subtlety_of(max(seen)) if placed else None,
    )


def draw_study(
    config: PhantomConfig, index: int
) -> tuple[StudyPlan, Laterality, Limb, tuple[PhantomImage, ...]]:
    """Draw plan, side, limb and images of study `index`, before any exposure."""
    plan = plan_study(config, index)
    confounder_rng = _stream(config, plan, _CONFOUNDERS)
    side = Laterality.LEFT if confounder_rng.random() < 0.5 else Laterality.RIGHT
    limb = build_limb(plan.body_part, config.framing, Variation(_stream(config, plan, _ANATOMY)))
    images = draw_images(limb, plan.body_part, config, confounder_rng)
    return plan, side, limb, images


def _stream(config: PhantomConfig, plan: StudyPlan, kind: int, *more: int) -> np.random.Generator:
    # The second visit of a patient has the same anatomy.
    number = plan.patient if kind == _ANATOMY else plan.index
    return np.random.default_rng(np.random.SeedSequence((config.seed, kind, number, *more)))


def _choose(
    limb: Limb, images: tuple[PhantomImage, ...], config: PhantomConfig, rng: np.random.Generator
) -> tuple[PlacedFinding, float, list[float]]:
    """Draw a finding, its strength, and its CNR on each image (the best of a divided image)."""
    shares = (config.obvious, config.moderate, config.subtle)
    levels = (Subtlety.OBVIOUS, Subtlety.MODERATE, Subtlety.SUBTLE)
    wanted = levels[int(rng.choice(3, p=shares))]
    exposed = [
        NormalView(pose(limb, view, 0), view.camera, image.confounders.exposure)
        for image in images
        for view in image.panels
    ]
    best: tuple[PlacedFinding, float, list[float]] | None = None
    for _ in range(6):
        placed = _draw_shown(limb, images, wanted, config.findings, rng)
        strength, seen, reached = solve_strength(placed, exposed, wanted, rng)
        # An image of a limb without hinges shows every finding, and the last one drawn stays.
        if best is None or not limb.hinges or reached or max(seen) > max(best[2]):
            best = placed, strength, seen
        if reached:
            break
    assert best is not None
    placed, strength, seen = best
    each = iter(seen)
    return placed, strength, [max(next(each) for _ in image.panels) for image in images]


def _draw_shown(
    limb: Limb,
    images: tuple[PhantomImage, ...],
    wanted: Subtlety,
    findings: Collection[FindingCategory],
    rng: np.random.Generator,
) -> PlacedFinding:
    """Draw findings until one lies on at least one of the images."""
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
