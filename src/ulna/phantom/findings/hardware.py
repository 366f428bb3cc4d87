"""Hardware of titanium: a plate with screws, K-wires, or an intramedullary nail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ulna.phantom.anatomy.limb import Limb
from ulna.phantom.findings.placed import PlacedFinding, perpendicular
from ulna.phantom.scene import Scene
from ulna.phantom.solids import Vector, cone
from ulna.types import FindingCategory, Subtlety


def draw_hardware(rng: np.random.Generator, limb: Limb, subtlety: Subtlety) -> PlacedFinding:
    """Draw metal along one of the limb's plate sites."""
    bone, low, high, radius = limb.plate_sites[int(rng.integers(len(limb.plate_sites)))]
    kind = str(rng.choice(["plate", "K-wires", "nail"], p=[0.5, 0.3, 0.2]))
    shift = (high - low) * rng.uniform(-0.08, 0.08)
    low, high = low + shift, high + shift
    draw = {"plate": _plate, "K-wires": _wires, "nail": _nail}[kind]
    metal = draw(rng, low, high, radius)

    def apply(scene: Scene, strength: float) -> Scene:
        host = scene.bones[scene.index(bone)]
        piece = host.part_of_finding("hardware", *metal, metal=True)
        return replace(scene, bones=(*scene.bones, piece))

    reach = float(np.linalg.norm(high - low)) / 2 + 10
    middle = (low + high) / 2
    return PlacedFinding(FindingCategory.HARDWARE, kind, bone, middle, reach, False, apply)


def _plate(
    rng: np.random.Generator, low: Vector, high: Vector, radius: float
) -> tuple[Vector, ...]:
    axis = (high - low) / np.linalg.norm(high - low)
    side = perpendicular(rng, axis)
    wide = float(rng.uniform(3.2, 4.5))
    plate = cone(low, high, (wide, wide), smooth=0.5)
    across = np.cross(axis, side)
    # The plate is thin towards the bone, so the axis that points sideways is scaled.
    plate[3:12] = np.stack([across, axis, side * wide / 1.1]).ravel()
    plate[15] = 1.1 / wide
    plate[0:3] += side * (radius + 0.8)
    rows = [plate]
    count = int(rng.integers(4, 8))
    for t in np.linspace(0.06, 0.94, count):
        foot = low + t * (high - low) + side * (radius + 2)
        rows.append(cone(foot, foot - side * (2 * radius + 3), (1.3, 1.1), smooth=0.5))
        rows.append(cone(foot, foot - side * 1.2, (2.5, 2.2), smooth=0.5))
    return tuple(rows)


def _wires(
    rng: np.random.Generator, low: Vector, high: Vector, radius: float
) -> tuple[Vector, ...]:
    axis = (high - low) / np.linalg.norm(high - low)
    rows = []
    for _ in range(int(rng.integers(2, 4))):
        side = perpendicular(rng, axis)
        start = low - axis * rng.uniform(2, 8) + side * radius * rng.uniform(0.8, 1.5)
        end = low + axis * rng.uniform(28, 48) - side * radius * rng.uniform(0.5, 1.0)
        thick = float(rng.uniform(0.7, 1.0))
        rows.append(cone(start, end, (thick, thick), smooth=0.3))
    return tuple(rows)


def _nail(rng: np.random.Generator, low: Vector, high: Vector, radius: float) -> tuple[Vector, ...]:
    thick = radius * float(rng.uniform(0.38, 0.5))
    axis = (high - low) / np.linalg.norm(high - low)
    low, high = low - axis * 12, high + axis * 12
    rows = [cone(low, high, (thick, thick), smooth=0.5)]
    side = perpendicular(rng, axis)
    for t in (0.1, 0.9):
        middle = low + t * (high - low)
        reach = side * (radius + 3)
        rows.append(cone(middle - reach, middle + reach, (1.6, 1.6), smooth=0.5))
    return tuple(rows)
