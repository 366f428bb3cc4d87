"""Views of a whole arm: its pose, how it lies on the image, and what the field shows.

They serve the body parts without a collimated model of their own, and every body part on a plate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ulna.config.phantom import Framing
from ulna.phantom.anatomy.arm import PALM, UPPER_ARM
from ulna.phantom.anatomy.fingers import LENGTHS, THUMB, finger_group
from ulna.phantom.anatomy.limb import Limb
from ulna.phantom.anatomy.trunk import TRUNK
from ulna.phantom.scene import MAGNIFICATION, UPRIGHT, Camera
from ulna.phantom.solids import Vector, rotation
from ulna.phantom.views import View, ViewKind, placements
from ulna.types import BodyPart

# Probability of each kind of view as the only image of a study on plates.
_SINGLE_VIEW_SHARES = (0.58, 0.25, 0.12, 0.05)
BESIDE_TRUNK = (BodyPart.HUMERUS, BodyPart.SHOULDER)
_SMALL = (BodyPart.HAND, BodyPart.FINGER, BodyPart.WRIST)

ARM_VIEWS: Mapping[BodyPart, tuple[ViewKind, ...]] = {
    BodyPart.HAND: (
        ViewKind("PA", 0, (0, 20), aspect=(0.65, 0.95)),
        ViewKind("OBL", 42, (0, 20), aspect=(0.6, 0.9)),
        ViewKind("LAT", 88, (0, 40), aspect=(0.5, 0.8)),
    ),
    BodyPart.FINGER: (
        ViewKind("PA", 0, aspect=(0.5, 0.8)),
        ViewKind("LAT", 88, aspect=(0.5, 0.8)),
        ViewKind("OBL", 42, aspect=(0.5, 0.8)),
    ),
    BodyPart.WRIST: (
        ViewKind("PA", 0, (0, 20)),
        ViewKind("LAT", 90, (0, 40)),
        ViewKind("OBL", 42, (0, 20)),
    ),
    BodyPart.FOREARM: (
        ViewKind("AP", 0, (0, 25), aspect=(0.42, 0.65)),
        ViewKind("LAT", 90, (60, 105), aspect=(0.6, 0.9)),
    ),
    BodyPart.ELBOW: (
        ViewKind("AP", 0, (3, 30), aspect=(0.65, 1.0)),
        ViewKind("LAT", 90, (60, 105), aspect=(0.8, 1.0)),
        ViewKind("OBL", 40, (5, 40), aspect=(0.65, 1.0)),
    ),
    BodyPart.HUMERUS: (
        ViewKind("AP", 0, (0, 25), aspect=(0.45, 0.68)),
        ViewKind("LAT", 0, (10, 80), arm=75, aspect=(0.45, 0.68), raised=(10, 60)),
    ),
    BodyPart.SHOULDER: (
        ViewKind("AP", 0, aspect=(0.8, 1.0)),
        ViewKind("RAISED", 0, aspect=(0.8, 1.0), raised=(55, 95)),
        ViewKind("Y", -58, aspect=(0.7, 1.0), raised=(0, 15)),
        ViewKind("AXIAL", 0, aspect=(0.8, 1.0), pitch=68, raised=(60, 95)),
    ),
}
# Range of the height of a collimated field in mm.
_FIELD = {
    BodyPart.HAND: (205, 255),
    BodyPart.FINGER: (88, 125),
    BodyPart.WRIST: (118, 150),
    BodyPart.FOREARM: (290, 345),
    BodyPart.ELBOW: (145, 190),
    BodyPart.HUMERUS: (325, 375),
    BodyPart.SHOULDER: (205, 270),
}
# From the aim to the middle of a collimated field in mm; medial and distal are positive.
_COLLIMATED_SHIFT = {BodyPart.HAND: (0, 20), BodyPart.SHOULDER: (22, 12), BodyPart.HUMERUS: (10, 0)}


@dataclass(frozen=True)
class Field:
    """Field of an image: shape in px, pixel in mm at the limb, and whether it is a whole plate."""

    shape: tuple[int, int]
    pixel: float
    plate: bool


def draw_arm_views(
    limb: Limb, part: BodyPart, framing: Framing, size: int, rng: np.random.Generator
) -> tuple[tuple[View, ...], ...]:
    """Draw the views of each image of a study: one per image, or two on a divided plate."""
    kinds = ARM_VIEWS[part]
    if framing == "collimated":
        shares = [0.2, 0.5, 0.3] if len(kinds) > 2 else [0.3, 0.7]
        count = int(rng.choice([1, 2, 3][: len(kinds)], p=shares))
        first = int(rng.integers(2)) if count == 1 else 0
        chosen = [kinds[first + i] for i in range(count)]
        return tuple(
            (_draw(limb, part, k, _collimated_field(part, k, size, rng), rng),) for k in chosen
        )
    divided = part not in BESIDE_TRUNK and rng.random() < 0.12
    if divided:
        field = _plate_field(part, size, rng, divided=True)
        return (tuple(_draw(limb, part, k, field, rng) for k in kinds[:2]),)
    count = 1 if rng.random() < 0.55 else 2
    weights = np.array(_SINGLE_VIEW_SHARES[: len(kinds)])
    first = int(rng.choice(len(kinds), p=weights / sum(weights)))
    chosen = [kinds[first]] if count == 1 else list(kinds[:2])
    return tuple((_draw(limb, part, k, _plate_field(part, size, rng), rng),) for k in chosen)


def _collimated_field(part: BodyPart, kind: ViewKind, size: int, rng: np.random.Generator) -> Field:
    longest = int(round(size * rng.uniform(0.88, 1.0))) if rng.random() < 0.3 else size
    shape = (longest, int(round(longest * rng.uniform(*kind.aspect))))
    return Field(shape, float(rng.uniform(*_FIELD[part])) / longest, False)


def _plate_field(
    part: BodyPart, size: int, rng: np.random.Generator, divided: bool = False
) -> Field:
    """Draw a plate of 35 x 43 cm, seldom 24 x 30 cm, mostly portrait."""
    small = part not in BESIDE_TRUNK and rng.random() < (0.18 if part in _SMALL else 0.08)
    long_mm, short_mm = (300.0, 240.0) if small else (430.0, 350.0)
    long, short = size, int(round(size * short_mm / long_mm))
    portrait = divided or rng.random() < 0.72
    height, width = (long, short) if portrait else (short, long)
    if divided:
        height, width = (short, long // 2) if rng.random() < 0.4 else (long, short // 2)
    return Field((height, width), long_mm / long / MAGNIFICATION, True)


def _draw(
    limb: Limb, part: BodyPart, kind: ViewKind, field: Field, rng: np.random.Generator
) -> View:
    flexion = float(np.radians(rng.uniform(*kind.flexion)))
    arm = float(np.radians(kind.arm + rng.normal(0, 8)))
    single = (limb.anchor[0] - 10) // 3 if part is BodyPart.FINGER else -1
    turns = _turns(part, kind, (flexion, arm), single, rng)
    placed = placements(limb.hinges, turns)
    base = placed[TRUNK if part in BESIDE_TRUNK else limb.anchor[0]][0]
    turn = (
        rotation("z", float(np.radians(_roll(part, field, rng))))
        @ UPRIGHT
        @ rotation("x", float(np.radians(kind.pitch + rng.normal(0, 4))))
        @ rotation("y", float(np.radians(kind.yaw + rng.normal(0, 6))))
        @ base.T
    )
    own, shift = placed[limb.anchor[0]]
    camera = Camera(
        turn,
        own @ limb.anchor[1] + shift,
        field.shape,
        field.pixel / limb.size,
        _offset(part, field, limb.size, rng),
        limb.size,
    )
    return View(kind, flexion, arm, camera, turns)


def _turns(
    part: BodyPart, kind: ViewKind, bent: tuple[float, float], single: int, rng: np.random.Generator
) -> dict[int, Vector]:
    """Draw the rotation of each group: wrist, fingers, elbow, and the trunk behind the shoulder.

    bent: flexion of the elbow and rotation of the arm in rad. single: as for `finger_turns`.
    """
    flexion, arm = bent
    wrist = rotation("z", float(np.radians(rng.normal(0, 8))))
    turns = {PALM: wrist @ rotation("x", float(np.radians(rng.normal(0, 9))))}
    turns[UPPER_ARM] = rotation("x", flexion)
    raised = float(np.radians(rng.uniform(*kind.raised)))
    if part not in BESIDE_TRUNK:
        # Abducted, so that the trunk lies beyond the shoulder and never over the forearm.
        raised = float(np.radians(rng.uniform(72, 105)))
        arm = float(np.radians(rng.choice([0.0, 90.0]) + rng.normal(0, 15)))
    turns[TRUNK] = rotation("z", -raised) @ rotation("y", -arm)
    return turns | finger_turns(kind, single, rng)


def finger_turns(kind: ViewKind, single: int, rng: np.random.Generator) -> dict[int, Vector]:
    """Draw the rotation of thumb and phalanges: flat in a frontal view, else more or less curled.

    single: index of the one finger that the image shows, or -1 for the whole hand.
    """
    curl = rng.uniform(0, 10) if kind.name in ("PA", "AP") else rng.uniform(3, 38)
    pinch = rng.uniform(30, 55) if rng.random() < 0.07 else 0.0
    spread = rng.uniform(-2, 9)
    fan = rng.uniform(-9, 9) if kind.name == "LAT" else 0.0
    open_thumb = rng.uniform(-4, 32) if kind.name != "LAT" else rng.uniform(-10, 15)
    turns = {THUMB: rotation("z", float(np.radians(open_thumb)))}
    for finger, bones in enumerate(LENGTHS):
        sideways = (2 - finger) * spread * 0.8 + rng.normal(0, 2) if finger else rng.normal(0, 8)
        for k in range(len(bones)):
            bent = curl * rng.uniform(0.6, 1.3) + finger * fan
            if finger < 2 and single < 0:
                bent += pinch
            if single >= 0 and kind.name != "PA":  # the others are held out of the way
                bent = 0.4 * bent if finger == single else 38 + 0.7 * bent
            turn = rotation("x", -float(np.radians(max(bent, -8.0))))
            if finger == 0:  # the thumb's nail looks sideways
                turn = rotation("z", -0.5 * float(np.radians(bent))) @ rotation(
                    "x", -0.3 * float(np.radians(bent))
                )
            if k == 0:
                turn = rotation("z", float(np.radians(sideways))) @ turn
            turns[finger_group(finger, k)] = turn
    return turns


def _roll(part: BodyPart, field: Field, rng: np.random.Generator) -> float:
    """Draw the rotation of the limb on the image in degrees; 0 has the proximal end up."""
    if part in BESIDE_TRUNK:
        return float(rng.normal(0, 4))
    if not field.plate:
        return float(rng.normal(0, 7) + (90 if rng.random() < 0.06 else 0))
    height, width = field.shape
    shares = (0.76, 0.10, 0.07, 0.07) if height > width else (0.52, 0.08, 0.2, 0.2)
    return float(rng.choice([0.0, 180.0, 90.0, -90.0], p=shares) + rng.normal(0, 10))


def _offset(
    part: BodyPart, field: Field, size: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Draw the offset from the aim to the middle of the image, in mm of the neutral limb."""
    height, width = (side * field.pixel / size for side in field.shape)
    if not field.plate:
        medial, distal = _COLLIMATED_SHIFT.get(part, (0, 0))
        x, y = rng.normal(0, 0.03 * height, 2)
        return float(x - medial), float(y + distal)
    if part in BESIDE_TRUNK:  # the chest fills the medial half
        x = -rng.uniform(0.05, 0.34) * width
        y = rng.uniform(0.08, 0.36) * height if part is BodyPart.SHOULDER else rng.normal(0, 15)
        return float(x), float(y)
    reach = np.clip(rng.normal(0, 0.13, 2), -0.3, 0.3)
    return float(reach[0] * width), float(reach[1] * height)
