"""Dislocation: the distal bones leave the joint, partly (subluxation) or completely."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ulna.phantom.anatomy.limb import Limb
from ulna.phantom.findings.placed import PlacedFinding, turn_about
from ulna.phantom.scene import Scene
from ulna.types import FindingCategory, Subtlety


def draw_dislocation(rng: np.random.Generator, limb: Limb, subtlety: Subtlety) -> PlacedFinding:
    """Draw a shift of the joint's moving bones in one of its usual directions, and a rotation."""
    joint = limb.joint
    direction = joint.directions[int(rng.integers(len(joint.directions)))]
    direction = direction / np.linalg.norm(direction) + 0.15 * rng.standard_normal(3)
    axis = rng.standard_normal(3)
    axis = axis / np.linalg.norm(axis)
    angle = float(np.radians(rng.uniform(4, 20)))
    longest = joint.radius * rng.uniform(0.9, 1.2)
    anchor = joint.surfaces[0][0]

    def apply(scene: Scene, strength: float) -> Scene:
        turn, shift = turn_about(axis, angle * strength), direction * longest * strength
        centre = joint.centre
        if joint.base:
            base = scene.bones[scene.index(joint.base)]
            centre, shift = base.to_limb(centre), base.rotation @ shift
            turn = base.rotation @ turn @ base.rotation.T
        bones = tuple(
            b.moved(turn, shift, centre) if b.name in joint.moving else b for b in scene.bones
        )
        ball = np.array([*(centre + 0.4 * shift), joint.radius * (0.75 + 0.35 * strength)])
        return replace(scene, bones=bones, ball=ball)

    kind = "dislocation" if subtlety is Subtlety.OBVIOUS else "subluxation"
    return PlacedFinding(
        FindingCategory.DISLOCATION,
        kind,
        anchor,
        joint.surfaces[0][1],
        1.5 * joint.radius,
        True,
        apply,
    )
