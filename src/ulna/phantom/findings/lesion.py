"""Lytic and sclerotic lesions: ellipsoids in which bone is lost or added."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ulna.phantom.anatomy.limb import Limb
from ulna.phantom.findings.placed import PlacedFinding
from ulna.phantom.scene import LESION_COLUMNS, Scene
from ulna.phantom.solids import Vector
from ulna.types import FindingCategory, Subtlety


def draw_lytic(rng: np.random.Generator, limb: Limb, subtlety: Subtlety) -> PlacedFinding:
    """Draw a lytic lesion: bone lost down to soft tissue, with the cortex where it is reached."""
    return _draw(rng, limb, FindingCategory.LYTIC_LESION)


def draw_sclerotic(rng: np.random.Generator, limb: Limb, subtlety: Subtlety) -> PlacedFinding:
    """Draw a sclerotic lesion: bone added inside the marrow space."""
    return _draw(rng, limb, FindingCategory.SCLEROTIC_LESION)


def _draw(rng: np.random.Generator, limb: Limb, category: FindingCategory) -> PlacedFinding:
    bone, low, high, radius = limb.lesion_sites[int(rng.integers(len(limb.lesion_sites)))]
    point = low + (high - low) * rng.random()
    point = point + rng.normal(0, 0.15 * radius, 3) * np.array([1, 0, 1])
    axes = radius * rng.uniform(0.5, 0.95) * np.array([1.0, rng.uniform(0.9, 1.7), 1.0])
    edge = float(rng.uniform(0.2, 0.6))
    lytic = category is FindingCategory.LYTIC_LESION

    def apply(scene: Scene, strength: float) -> Scene:
        lost, added = (0.97 * strength, 0.0) if lytic else (0.0, 0.075 * strength)
        return add_lesion(scene, bone, point, axes, (lost, added, edge))

    reach = float(axes.max()) + 3
    return PlacedFinding(
        category, "lytic" if lytic else "sclerotic", bone, point, reach, True, apply
    )


def add_lesion(
    scene: Scene, bone: str, point: Vector, axes: Vector, change: tuple[float, float, float]
) -> Scene:
    """Add a lesion to `bone`; change: share lost, attenuation added, softness of the edge."""
    index = scene.index(bone)
    row = np.zeros(LESION_COLUMNS)
    row[0:3], row[3:6], row[6:9] = point, axes, change
    changed = replace(scene.bones[index], lesion=len(scene.lesions))
    return replace(scene.with_bone(index, changed), lesions=(*scene.lesions, row))
