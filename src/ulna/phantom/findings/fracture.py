"""Fractures: a rough surface through a bone, a rigidly moved fragment, and chips."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ulna.phantom.anatomy.limb import Limb, Site
from ulna.phantom.findings.injury import Fracture, cortical_ridge, draw_injury
from ulna.phantom.findings.placed import PlacedFinding, perpendicular, turn_about
from ulna.phantom.scene import FRACTURE_COLUMNS, Scene
from ulna.phantom.solids import Bone, Vector, ellipsoid
from ulna.types import FindingCategory, Subtlety

# Kinds of fracture, and their probabilities at each level of subtlety.
_KINDS = ("hairline", "transverse", "oblique", "comminuted")
_SHARES = {
    Subtlety.SUBTLE: (0.5, 0.25, 0.25, 0.0),
    Subtlety.MODERATE: (0.2, 0.35, 0.35, 0.1),
    Subtlety.OBVIOUS: (0.0, 0.35, 0.35, 0.3),
}
# Range of the angle between the surface and the transverse plane in degrees.
_TILT = {"hairline": (5, 40), "transverse": (0, 15), "oblique": (30, 55), "comminuted": (10, 40)}


def draw_fracture(rng: np.random.Generator, limb: Limb, subtlety: Subtlety) -> PlacedFinding:
    """Draw a fracture at one of the limb's sites."""
    weights = np.array([s.weight for s in limb.sites])
    site = limb.sites[int(rng.choice(len(weights), p=weights / weights.sum()))]
    if site.kinds:
        drawn = draw_injury(rng, site, subtlety)
    else:
        kind = str(rng.choice(_KINDS, p=_SHARES[subtlety]))
        drawn = _draw_fracture(rng, site, kind, subtlety)

    def apply(scene: Scene, strength: float) -> Scene:
        return _apply(scene, drawn, strength)

    label = f"{drawn.kind}{' displaced' if drawn.displaced else ''}"
    return PlacedFinding(
        FindingCategory.FRACTURE, label, site.bone, site.point, site.radius + 9, True, apply
    )


def _draw_fracture(rng: np.random.Generator, site: Site, kind: str, subtlety: Subtlety) -> Fracture:
    tilt = np.radians(rng.uniform(*_TILT[kind]))
    normal = turn_about(perpendicular(rng, site.axis), tilt) @ site.axis
    probability = {Subtlety.SUBTLE: 0.2, Subtlety.MODERATE: 0.5, Subtlety.OBVIOUS: 1.0}[subtlety]
    displaced = kind == "comminuted" or (kind != "hairline" and rng.random() < probability)
    point = site.point + site.axis * rng.normal(0, 0.25 * site.radius)
    sideways = perpendicular(rng, site.axis)
    chips = []
    for _ in range(int(rng.integers(2, 5))):
        out = perpendicular(rng, site.axis)
        centre = point + out * site.radius * rng.uniform(0.75, 1.25)
        centre = centre + site.axis * rng.normal(0, 0.5 * site.radius)
        chips.append((centre, rng.uniform(1.0, 0.32 * site.radius + 1, 3)))
    return Fracture(
        site=replace(site, point=point),
        kind=kind,
        displaced=displaced,
        normal=normal,
        shift=sideways * site.radius * rng.uniform(0.4, 1.3),
        axial=site.radius * rng.uniform(-0.35, 0.6),
        hinge=perpendicular(rng, site.axis),
        angle=float(np.radians(rng.uniform(6, 32))),
        rough=(float(rng.uniform(0.25, 0.8)), float(rng.uniform(0.25, 0.6))),
        chips=tuple(chips) if kind == "comminuted" else (),
    )


def _apply(scene: Scene, drawn: Fracture, strength: float) -> Scene:
    index = scene.index(drawn.site.bone)
    bone = scene.bones[index]
    turn, shift, gap = drawn.motion(strength)
    row = np.zeros(FRACTURE_COLUMNS)
    row[0:3], row[3:6] = drawn.site.point, drawn.normal
    row[6] = gap
    row[7:9] = drawn.rough
    row[9:18], row[18:21] = turn.T.ravel(), shift
    row[21] = 1.0
    broken = replace(bone, fracture=len(scene.fractures))
    out = replace(scene.with_bone(index, broken), fractures=(*scene.fractures, row))
    out = _follow(out, bone, drawn, turn, shift)
    chips = [
        bone.part_of_finding(
            f"chip{i}",
            ellipsoid(centre, radii * (0.3 + 0.7 * strength)),
            cortex=1.0,
            medulla=(0.0, 0.0),
        )
        for i, (centre, radii) in enumerate(drawn.chips)
    ]
    return replace(out, bones=(*out.bones, *chips, *cortical_ridge(drawn, bone, strength)))


def _follow(scene: Scene, host: Bone, drawn: Fracture, turn: Vector, shift: Vector) -> Scene:
    """Move the bones beyond the moved fragment with it."""
    turn_limb = host.rotation @ turn @ host.rotation.T
    pivot, shift_limb = host.to_limb(drawn.site.point), host.rotation @ shift
    bones = tuple(
        b.moved(turn_limb, shift_limb, pivot) if b.name in drawn.site.follow else b
        for b in scene.bones
    )
    return replace(scene, bones=bones)
