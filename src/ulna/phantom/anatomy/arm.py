"""A whole arm beside the trunk, which every plate shows.

All bones are in the frame of the wrist (y = 0 at the wrist, proximal up, lateral on +x, palm
forward). The elbow's bones, which collimated images show with lateral on -x, are mirrored.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ulna.phantom.anatomy.distal_humerus import (
    ELBOW_PIVOT,
    distal_humerus,
    proximal_radius,
    proximal_ulna,
)
from ulna.phantom.anatomy.fingers import PHALANGES, THUMB, finger_hinges, finger_soft, phalanges
from ulna.phantom.anatomy.humerus import proximal_humerus, scapula
from ulna.phantom.anatomy.limb import Hinge, Joint, Limb
from ulna.phantom.anatomy.trunk import TRUNK, trunk_bones, trunk_soft
from ulna.phantom.anatomy.variation import Variation
from ulna.phantom.anatomy.wrist import (
    HAND,
    METACARPAL_ENDS,
    carpals,
    distal_radius,
    distal_ulna,
    metacarpals,
    wrist_joint,
)
from ulna.phantom.solids import Bone, Vector, chain, cone, mirrored, tight

# Heights above the wrist in mm: the elbow, and the origin of the humerus' own frame.
ELBOW = 250.0
HUMERUS = ELBOW + 145.0
FOREARM, PALM, UPPER_ARM = 0, 1, 2
WHOLE_HAND = (*HAND, *PHALANGES)
_WRIST_PIVOT = np.array([5.0, -6.0, 0])


def build_arm(v: Variation) -> Limb:
    """Build a straight arm that hangs beside the trunk, still without sites."""
    size = v.size()
    lift, still, origin = np.array([0.0, HUMERUS, 0]), np.eye(3), np.zeros(3)
    arm = [_radius(v), _ulna(v), *_carpals(v), *_metacarpals(v), *phalanges(v)]
    # Arms are exposed at a lower voltage than the attenuations hold for, so bone has more contrast.
    soft_beam = v.between(1.0, 1.45)
    upper = [_humerus(v), replace(scapula(v), group=TRUNK), *trunk_bones(v)]
    return Limb(
        bones=(
            *(replace(b, density=soft_beam * b.density) for b in arm),
            *(b.moved(still, lift, origin) for b in upper),
        ),
        soft=_soft(v),
        pivot=origin,
        sites=(),
        joint=arm_joint(wrist_joint(), "radius"),
        lesion_sites=(),
        plate_sites=(),
        hinges=(
            Hinge(PALM, FOREARM, _WRIST_PIVOT),
            Hinge(THUMB, PALM, np.array(METACARPAL_ENDS[0][0], np.float64)),
            Hinge(UPPER_ARM, FOREARM, from_elbow(ELBOW_PIVOT)),
            Hinge(TRUNK, UPPER_ARM, np.array([-9.0, 150 + HUMERUS, 0])),
            *finger_hinges(),
        ),
        size=size,
    )


def from_elbow(point: Vector, up: float = ELBOW) -> Vector:
    """Return a point of the elbow's frame in the arm's, or in the humerus' for `up` = -145."""
    return np.array([-point[0], point[1] + up, point[2]])


def arm_joint(joint: Joint, base: str) -> Joint:
    """Return the wrist's joint with the fingers moving along."""
    return replace(joint, moving=WHOLE_HAND, base=base)


def _carpals(v: Variation) -> list[Bone]:
    return [replace(b, primitives=tight(b.primitives, 3.0, 1.07)) for b in carpals(v)]


def _metacarpals(v: Variation) -> list[Bone]:
    """Return the wrist's metacarpals, the thumb's with its own hinge."""
    bones = [replace(b, primitives=tight(b.primitives)) for b in metacarpals(v)]
    return [replace(bones[0], group=THUMB), *bones[1:]]


def _radius(v: Variation) -> Bone:
    """Return a radius bowed laterally in its middle, around the interosseous space."""
    near, far = proximal_radius(v, 0, 110), distal_radius(v)
    shaft = chain(
        [(8, 70, 1), v.point(14, 120, 2), v.point(15, 160, 3), (9, ELBOW - 41, 3)],
        v.radii([6.6, 6.4, 6.4, 6.8]),
        (1.0, 0.9),
        6,
    )
    top = [mirrored(p, ELBOW) for p in near.primitives if not _is_below(p, -45)]
    rows = (*tight(shaft), *tight(far.primitives[1:3], 2.5), *far.primitives[3:], *top)
    return Bone("radius", rows, 2.2 * v.cortex, (24, ELBOW - 30), density=v.density)


def _ulna(v: Variation) -> Bone:
    near, far = proximal_ulna(v, 0, 110), distal_ulna(v)
    shaft = chain(
        [(-14, 60, -2), v.point(-13, 120, -4), v.point(-10, 170, -6), (-8, ELBOW - 29, -8)],
        v.radii([5.4, 5.8, 6.3, 8.2]),
        smooth=6,
    )
    top = [mirrored(p, ELBOW) for p in near.primitives if not _is_below(p, -45)]
    rows = (*tight(shaft), *tight(far.primitives[1:3], 2.5), *far.primitives[3:], *top)
    return Bone("ulna", rows, 2.2 * v.cortex, (20, ELBOW - 30), density=v.density)


def _is_below(row: Vector, y: float) -> bool:
    """Whether a primitive that is not a cut has its lower end below y."""
    return bool(row[16] == 0 and row[1] - abs(row[12] * row[7]) < y)


def _humerus(v: Variation) -> Bone:
    head, tubercle, *shaft = proximal_humerus(v)
    # In a lateral view the columns are as deep as the shaft, but for the fossae between them.
    columns = [cone((s * 5, -98, 0), (s * 13, -130, 0), (9, 8), smooth=5) for s in (1, -1)]
    elbow = [mirrored(p) for p in distal_humerus(v, -145.0)]
    rows = (head, tubercle, *tight(shaft), *columns, *elbow)
    return Bone("humerus", rows, 3.2 * v.cortex, (-112, 118), group=UPPER_ARM, density=v.density)


def _soft(v: Variation) -> dict[int, tuple[Vector, ...]]:
    f, top = v.fat, HUMERUS
    up = np.array([0.0, top, 0])
    trunk = []
    for row in trunk_soft(v):
        row[0:3] += up
        trunk.append(row)
    return {
        # The trunk is first, so that the lungs are cut out of it alone.
        TRUNK: tuple(trunk),
        UPPER_ARM: (
            cone((-4, 148 + top, 0), (0, 80 + top, 0), (46 * f, 42 * f), (1, 1), 20),
            cone((0, 80 + top, 0), (0, ELBOW + 45, 0), (42 * f, 33 * f), (1.02, 0.95), 8),
            cone((0, ELBOW + 45, 0), (0, ELBOW, -3), (33 * f, 30 * f), (1.12, 0.9), 8),
        ),
        FOREARM: (
            cone((0, ELBOW, -2), (2, ELBOW - 45, 0), (29 * f, 33 * f), (1.12, 0.95), 8),
            cone((2, ELBOW - 45, 0), (0, 70, 0), (33 * f, 23 * f), (1.12, 0.9), 6),
            cone((0, 70, 0), (1, 8, 0), (23 * f, 21 * f), (1.15, 0.8), 6),
        ),
        PALM: (
            cone((2, 8, 0), (5, -30, 2), (20.5 * f, 24 * f**0.6), (1.2, 0.7), 8),
            cone((5, -30, 2), (1, -84, 0), (25 * f**0.6, 27 * f**0.6), (1.4, 0.48), 12),
        ),
        THUMB: (cone((22, -25, 8), (38, -76, 13), (14 * f**0.6, 11 * f**0.6), smooth=10),),
        **finger_soft(v),
    }
