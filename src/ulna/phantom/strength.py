"""The strength of a finding that gives it the contrast-to-noise ratio (CNR) drawn for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ulna.phantom.detector import Exposure, contrast_to_noise, expected_signal
from ulna.phantom.findings.placed import PlacedFinding
from ulna.phantom.scene import Camera, Projection, Scene, project_scene
from ulna.phantom.solids import MU_SOFT
from ulna.types import Array, Subtlety

# CNR of a study's best view: below MODERATE_FROM subtle, from OBVIOUS_FROM on obvious. Chosen by
# looking at images (docs/phantoms.md).
FAINTEST, MODERATE_FROM, OBVIOUS_FROM, STRONGEST = 0.8, 2.5, 5.0, 12.0
_RANGE = {
    Subtlety.SUBTLE: (FAINTEST, MODERATE_FROM),
    Subtlety.MODERATE: (MODERATE_FROM, OBVIOUS_FROM),
    Subtlety.OBVIOUS: (OBVIOUS_FROM, STRONGEST),
}


def subtlety_of(cnr: float) -> Subtlety:
    """Return the subtlety of a study whose best view has this CNR."""
    if cnr >= OBVIOUS_FROM:
        return Subtlety.OBVIOUS
    return Subtlety.MODERATE if cnr >= MODERATE_FROM else Subtlety.SUBTLE


@dataclass(frozen=True)
class NormalView:
    """A view of the limb without the finding."""

    scene: Scene
    camera: Camera
    exposure: Exposure


class Neighbourhood:
    """The part of a view around a finding; the view without the finding is rendered only once."""

    def __init__(self, placed: PlacedFinding, view: NormalView) -> None:
        self._placed, self._view = placed, view
        self.camera = _around(placed, view)
        self._without = self._signal(view.scene)[0] if self.camera else None

    def cnr(self, strength: float) -> float:
        """Return the CNR of the finding at `strength`; 0 if it is outside the field."""
        if self._without is None:
            return 0.0
        scene = self._placed.apply(self._view.scene, strength)
        signal, projection = self._signal(scene)
        return contrast_to_noise(
            signal, self._without, projection.marked > 0.3, self._view.exposure
        )

    def _signal(self, scene: Scene) -> tuple[Array, Projection]:
        assert self.camera is not None
        projection = project_scene(scene, self.camera)
        attenuation = np.maximum(projection.bone + MU_SOFT * projection.soft, 0)
        level = np.full_like(attenuation, float(np.exp(-attenuation).mean()))
        return expected_signal(attenuation, self._view.exposure, level), projection


def _around(placed: PlacedFinding, view: NormalView) -> Camera | None:
    bone = view.scene.bones[view.scene.index(placed.bone)]
    row, column = view.camera.place(bone.to_limb(placed.point))
    reach = placed.reach / view.camera.pixel + 3
    height, width = view.camera.shape
    top, bottom = max(0, int(row - reach)), min(height, int(row + reach) + 1)
    left, right = max(0, int(column - reach)), min(width, int(column + reach) + 1)
    if bottom - top < 8 or right - left < 8:
        return None
    return view.camera.crop(slice(top, bottom), slice(left, right))


def solve_strength(
    placed: PlacedFinding, views: Sequence[NormalView], wanted: Subtlety, rng: np.random.Generator
) -> tuple[float, list[float], bool]:
    """Return the strength, the CNR in each view, and whether the best has the wanted subtlety.

    The target is drawn log-uniformly in the range of the subtlety and approached by a few steps of
    the secant method on logarithms.
    """
    low, high = _RANGE[wanted]
    target = float(np.exp(rng.uniform(np.log(1.06 * low), np.log(0.94 * high))))
    regions = [Neighbourhood(placed, v) for v in views]
    strength = 0.35 if placed.graded else 1.0
    seen = [region.cnr(strength) for region in regions]
    best = regions[int(np.argmax(seen))]
    value, slope = max(seen), 1.0
    if not placed.graded or value == 0.0:
        return strength, seen, value > 0 and subtlety_of(value) is wanted
    for _ in range(4):
        if abs(np.log(value / target)) < 0.1:
            break
        step = float(np.clip(np.log(target / value) / slope, -2.5, 2.5))
        moved = float(np.clip(strength * np.exp(step), 0.01, 1.0))
        if moved == strength:
            break
        reached = max(best.cnr(moved), 1e-3)
        slope = float(np.clip(np.log(reached / value) / np.log(moved / strength), 0.4, 3.0))
        strength, value = moved, reached
    seen = [region.cnr(strength) for region in regions]
    return strength, seen, subtlety_of(max(seen)) is wanted and max(seen) >= 0.8 * low
