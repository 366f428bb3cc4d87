"""The hand of a person who holds the patient's arm, as on many images of children."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ulna.phantom.anatomy import Limb, Variation
from ulna.phantom.anatomy.arm import PALM, build_arm
from ulna.phantom.anatomy.trunk import TRUNK
from ulna.phantom.arm_views import BESIDE_TRUNK, finger_turns
from ulna.phantom.scene import UPRIGHT, Camera, Projection, project_scene
from ulna.phantom.solids import rotation
from ulna.phantom.views import View, ViewKind, placements, pose
from ulna.types import BodyPart

_CHILD, _CHILD_SHARE, _ADULT_SHARE = 0.9, 0.3, 0.04
_GRIP = np.array([5.0, -95.0, 0])


@dataclass(frozen=True)
class Holder:
    """The arm of another person on the image, with a camera of its own."""

    limb: Limb
    view: View

    def added(self, projection: Projection) -> Projection:
        """Return `projection` with the holder's arm added; the finding's mask stays."""
        own = project_scene(pose(self.limb, self.view, 1), self.view.camera)
        return Projection(projection.bone + own.bone, projection.soft + own.soft, projection.marked)


def draw_holder(
    limb: Limb, part: BodyPart, panels: tuple[View, ...], rng: np.random.Generator
) -> Holder | None:
    """Draw an adult's hand that holds the patient's from outside the field, mostly None."""
    share = _CHILD_SHARE if limb.size < _CHILD else _ADULT_SHARE
    if rng.random() >= share or part in BESIDE_TRUNK or len(panels) > 1:
        return None
    other = _arm_without_trunk(build_arm(Variation(rng)), float(rng.uniform(0.92, 1.08)))
    turns = finger_turns(ViewKind("OBL", 0), -1, rng)
    return Holder(
        other, View(ViewKind("PA", 0), 0.0, 0.0, _camera(limb, panels[0], other, rng), turns)
    )


def _arm_without_trunk(limb: Limb, size: float) -> Limb:
    """Return the arm of a holder of this size, whose trunk is outside the field."""
    bones = tuple(b for b in limb.bones if b.group != TRUNK)
    soft = {group: rows for group, rows in limb.soft.items() if group != TRUNK}
    return replace(limb, bones=bones, soft=soft, size=size)


def _camera(limb: Limb, view: View, other: Limb, rng: np.random.Generator) -> Camera:
    """Aim at the patient's hand, or the nearest place in the field, forearm outwards."""
    shape = np.array(view.camera.shape)
    turn, shift = placements(limb.hinges, view.turns)[PALM]
    place = np.array(view.camera.place(turn @ np.array([5.0, -60.0, 0]) + shift))
    place = np.clip(place + rng.normal(0, 12, 2), 0.08 * shape, 0.92 * shape)
    away = place - shape / 2 + rng.normal(0, 0.05, 2) * shape
    roll = np.arctan2(away[1], -away[0]) + np.radians(rng.normal(0, 30))
    yaw = np.radians(rng.normal(0, 25) + rng.choice([0.0, 180.0]))
    pixel = view.camera.pixel * view.camera.scale / other.size
    rows, columns = (shape / 2 - place) * pixel
    return Camera(
        rotation("z", float(roll)) @ UPRIGHT @ rotation("y", float(yaw)),
        _GRIP,
        view.camera.shape,
        pixel,
        (float(columns), float(rows)),
        other.size,
    )
