"""Random variation of the anatomy between patients."""

from __future__ import annotations

import numpy as np

from ulna.phantom.solids import Point, Vector


class Variation:
    """A patient, whose points and radii differ a little from the mean anatomy.

    Equal states of the generator give equal patients.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.stout = float(np.exp(rng.normal(0, 0.07)))
        self.fat = float(np.exp(rng.normal(0, 0.13)))
        self.density = float(rng.uniform(0.78, 1.12))
        self.cortex = float(np.exp(rng.normal(0, 0.15)))

    def point(self, x: float, y: float, z: float, spread: float = 0.8) -> Vector:
        """Return (x, y, z) in mm, moved by a normal draw of `spread` mm per axis."""
        moved: Vector = np.array([x, y, z]) + self._rng.normal(0, spread, 3)
        return moved

    def radius(self, value: float, spread: float = 0.05) -> float:
        """Return a radius in mm, scaled by the patient's stoutness and a random factor."""
        return float(value * self.stout * np.exp(self._rng.normal(0, spread)))

    def radii(self, values: Point) -> list[float]:
        return [self.radius(v) for v in values]

    def size(self) -> float:
        """Draw the size relative to the neutral limb: one patient in four is a child."""
        if self._rng.random() < 0.25:
            return float(self._rng.uniform(0.55, 0.9))
        return float(np.exp(self._rng.normal(0, 0.06)))

    def between(self, low: float, high: float) -> float:
        """Draw uniformly."""
        return float(self._rng.uniform(low, high))

    def choice(self, count: int) -> int:
        """Draw an integer from 0 to count - 1."""
        return int(self._rng.integers(count))

    def angle(self, spread: float) -> float:
        """Draw normally with a `spread` in degrees; returns rad."""
        return float(np.radians(self._rng.normal(0, spread)))
