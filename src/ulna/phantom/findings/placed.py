"""A finding with place and shape, whose strength is still open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ulna.phantom.scene import Scene
from ulna.phantom.solids import Vector
from ulna.types import FindingCategory


@dataclass(frozen=True)
class PlacedFinding:
    """A finding at its place; `apply(scene, strength)` adds it, with a strength in (0, 1].

    bone, point: anchor in that bone's neutral frame. reach: radius in mm around the anchor that
    contains the finding. graded: whether the visibility depends on the strength, unlike metal's.
    """

    category: FindingCategory
    kind: str
    bone: str
    point: Vector
    reach: float
    graded: bool
    apply: Callable[[Scene, float], Scene]


def perpendicular(rng: np.random.Generator, axis: Vector) -> Vector:
    """Draw a unit vector perpendicular to `axis`."""
    v = np.cross(axis, rng.standard_normal(3))
    unit: Vector = v / np.linalg.norm(v)
    return unit


def turn_about(axis: Vector, angle: float) -> Vector:
    """Return the (3, 3) rotation by `angle` rad about the unit vector `axis` (Rodrigues)."""
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned: Vector = np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k)
    return turned
