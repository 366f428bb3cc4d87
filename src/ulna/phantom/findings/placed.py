"""A finding that has its place and shape; only its strength is open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ulna.phantom.scene import Scene
from ulna.phantom.solids import Vector
from ulna.types import FindingCategory


@dataclass(frozen=True)
class Placed:
    """apply(scene, strength) gives the scene with the finding, strength in (0, 1].

    bone, point: the anchor in that bone's neutral frame. reach: mm around the anchor in which
    the finding lies. graded: whether its visibility follows the strength (metal's does not).
    """

    category: FindingCategory
    kind: str
    bone: str
    point: Vector
    reach: float
    graded: bool
    apply: Callable[[Scene, float], Scene]


def perpendicular(rng: np.random.Generator, axis: Vector) -> Vector:
    """A random unit vector perpendicular to `axis`."""
    v = np.cross(axis, rng.standard_normal(3))
    unit: Vector = v / np.linalg.norm(v)
    return unit


def turn_about(axis: Vector, angle: float) -> Vector:
    """(3, 3) rotation by `angle` rad about the unit vector `axis` (Rodrigues' formula)."""
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned: Vector = np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k)
    return turned
