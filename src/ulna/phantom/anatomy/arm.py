"""A whole arm with the trunk beside it, from which every body part's wide film is taken.

One frame for all: the wrist's (y = 0 at the wrist, proximal up, lateral +x, palm forward). The
elbow's bones, which their own films show with lateral on -x, are mirrored here.
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
from ulna.phantom.anatomy.fingers import PHALANGES, finger_hinges, finger_soft, phalanges
from ulna.phantom.anatomy.humerus import proximal_humerus, scapula
from ulna.phantom.anatomy.limb import Hinge, Joint, Limb
from ulna.phantom.anatomy.trunk import TRUNK, trunk_bones, trunk_soft
from ulna.phantom.anatomy.vary import Vary
from ulna.phantom.anatomy.wrist import (
    HAND,
    carpals,
    distal_radius,
    distal_ulna,
    metacarpals,
    wrist_joint,
)
from ulna.phantom.solids import Bone, Vector, chain, cone, mirrored

# Heights in mm above the wrist: the elbow, and the origin of the humerus' own frame.
ELBOW = 250.0
HUMERUS = ELBOW + 145.0
FOREARM, PALM, UPPER_ARM = 0, 1, 2
WHOLE_HAND = (*HAND, *PHALANGES)
_WRIST_PIVOT = np.array([5.0, -6.0, 0])


def build_arm(v: Vary) -> Limb:
    """The arm, straight, hanging beside the trunk; no sites yet."""
    size = v.size()
    lift, still, origin = np.array([0.0, HUMERUS, 0]), np.eye(3), np.zeros(3)
    upper = [_humerus(v), _grouped(scapula(v), TRUNK), *trunk_bones(v)]
    return Limb(
        bones=(
            *(_grouped(b, FOREARM) for b in (_radius(v), _ulna(v))),
            *carpals(v),
            *metacarpals(v),
            *phalanges(v),
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
            Hinge(UPPER_ARM, FOREARM, from_elbow(ELBOW_PIVOT)),
            Hinge(TRUNK, UPPER_ARM, np.array([-9.0, 150 + HUMERUS, 0])),
            *finger_hinges(),
        ),
        size=size,
    )


def from_elbow(point: Vector, up: float = ELBOW) -> Vector:
    """A point of the elbow's frame in the arm's (`up` = -145: in the humerus')."""
    return np.array([-point[0], point[1] + up, point[2]])


def arm_joint(joint: Joint, base: str) -> Joint:
    """The wrist's joint with the fingers going along."""
    return replace(joint, moving=WHOLE_HAND, base=base)


def _grouped(bone: Bone, group: int) -> Bone:
    return replace(bone, group=group)


def _radius(v: Vary) -> Bone:
    """Bowed to the lateral side in its middle, as the interosseous space asks for."""
    near, far = proximal_radius(v, 0, 110), distal_radius(v)
    shaft = chain(
        [(8, 70, 1), v.point(14, 120, 2), v.point(15, 160, 3), (9, ELBOW - 41, 3)],
        v.radii([6.6, 6.4, 6.4, 6.8]),
        (1.0, 0.9),
        6,
    )
    top = [mirrored(p, ELBOW) for p in near.primitives if not _is_below(p, -45)]
    rows = (*shaft, *far.primitives[1:], *top)
    return Bone("radius", rows, 2.2 * v.cortex, (24, ELBOW - 30), density=v.density)


def _ulna(v: Vary) -> Bone:
    near, far = proximal_ulna(v, 0, 110), distal_ulna(v)
    shaft = chain(
        [(-14, 60, -2), v.point(-13, 120, -4), v.point(-10, 170, -6), (-8, ELBOW - 29, -8)],
        v.radii([5.4, 5.8, 6.3, 8.2]),
        smooth=6,
    )
    top = [mirrored(p, ELBOW) for p in near.primitives if not _is_below(p, -45)]
    rows = (*shaft, *far.primitives[1:], *top)
    return Bone("ulna", rows, 2.2 * v.cortex, (20, ELBOW - 30), density=v.density)


def _is_below(row: Vector, y: float) -> bool:
    """Whether the lower end of a primitive that is not cut away lies below y."""
    return row[16] == 0 and row[1] - abs(row[12] * row[7]) < y


def _humerus(v: Vary) -> Bone:
    rows = (*proximal_humerus(v), *(mirrored(p) for p in distal_humerus(v, -145.0)))
    return Bone(
        "humerus", rows, 3.2 * v.cortex, (-112, 118), group=UPPER_ARM, density=v.density
    )


def _soft(v: Vary) -> dict[int, tuple[Vector, ...]]:
    f, top = v.fat, HUMERUS
    up = np.array([0.0, top, 0])
    trunk = []
    for row in trunk_soft(v):
        row[0:3] += up
        trunk.append(row)
    return {
        # the trunk first: its lungs are cut out of it alone
        TRUNK: tuple(trunk),
        UPPER_ARM: (
            cone((-4, 148 + top, 0), (0, 80 + top, 0), (46 * f, 43 * f), (1, 1), 20),
            cone((0, 80 + top, 0), (0, ELBOW + 45, 0), (42 * f, 34 * f), (1.02, 0.95), 20),
            cone((0, ELBOW + 45, 0), (0, ELBOW, -3), (34 * f, 31 * f), (1.15, 0.85), 20),
        ),
        FOREARM: (
            cone((0, ELBOW, -2), (2, ELBOW - 45, 0), (31 * f, 37 * f), (1.1, 0.9), 20),
            cone((2, ELBOW - 45, 0), (0, 70, 0), (37 * f, 25 * f), (1.12, 0.85), 20),
            cone((0, 70, 0), (1, 8, 0), (25 * f, 22 * f), (1.15, 0.78), 15),
        ),
        PALM: (
            cone((2, 8, 0), (5, -30, 2), (21 * f, 24 * f), (1.25, 0.65), 15),
            cone((5, -30, 2), (1, -84, 0), (25 * f**0.6, 27 * f**0.6), (1.4, 0.48), 12),
            cone((22, -25, 8), (38, -76, 13), (14 * f, 11 * f), smooth=10),
        ),
        **finger_soft(v),
    }
