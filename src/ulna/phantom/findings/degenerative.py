"""Degenerative change: osteophytes, a narrowed joint space, subchondral sclerosis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ulna.phantom.anatomy.limb import Limb
from ulna.phantom.findings.lesion import add_lesion
from ulna.phantom.findings.placed import PlacedFinding
from ulna.phantom.scene import Scene
from ulna.phantom.solids import Vector, cone
from ulna.types import FindingCategory, Subtlety


def draw_degenerative(rng: np.random.Generator, limb: Limb, subtlety: Subtlety) -> PlacedFinding:
    """Draw two to four osteophytes at the joint's margins, with narrowing and sclerosis."""
    joint = limb.joint
    count = int(rng.integers(2, min(4, len(joint.margins)) + 1))
    chosen = rng.permutation(len(joint.margins))[:count]
    spurs = [(*joint.margins[i], float(rng.uniform(0.6, 1.2))) for i in chosen]
    spread = [0.35 * rng.standard_normal(3) for _ in spurs]
    narrow = joint.narrow * rng.uniform(0.4, 1.0)
    sclerosis = float(rng.uniform(0.3, 1.0))

    def apply(scene: Scene, strength: float) -> Scene:
        out = _narrow(scene, joint.moving, narrow * strength)
        for i, ((bone, point, outward, size), turn) in enumerate(zip(spurs, spread, strict=True)):
            out = _spur(out, f"osteophyte{i}", bone, point, outward + turn, size * strength)
        for bone, point in joint.surfaces:
            change = (0.0, 0.03 * sclerosis * strength, 0.8)
            out = add_lesion(out, bone, point, np.array([8.0, 3.5, 7.0]), change)
        return out

    bone, point, _, _ = spurs[0]
    reach = joint.radius + 8
    return PlacedFinding(
        FindingCategory.DEGENERATIVE, "osteoarthritis", bone, point, reach, True, apply
    )


def _narrow(scene: Scene, moving: tuple[str, ...], shift: Vector) -> Scene:
    """Move bones by `shift` mm, given in the frame of the first one, which flexion rotates."""
    still, origin = np.eye(3), np.zeros(3)
    shift = scene.bones[scene.index(moving[0])].rotation @ shift
    bones = tuple(b.moved(still, shift, origin) if b.name in moving else b for b in scene.bones)
    return replace(scene, bones=bones)


def _spur(scene: Scene, name: str, bone: str, point: Vector, outward: Vector, size: float) -> Scene:
    host = scene.bones[scene.index(bone)]
    along = outward / np.linalg.norm(outward)
    tip = point + along * (1.5 + 6.5 * size)
    shape = cone(point - 2 * along, tip, (1.2 + 2.6 * size, 0.5 + 0.5 * size))
    spur = host.part_of_finding(name, shape, cortex=0.9, medulla=(0.0, 0.0))
    return replace(scene, bones=(*scene.bones, spur))
