"""The elbow: distal humerus, proximal radius and ulna, flexed about the trochlea."""

from __future__ import annotations

import numpy as np

from ulna.phantom.anatomy.distal_humerus import (
    ELBOW_PIVOT,
    distal_humerus,
    proximal_radius,
    proximal_ulna,
)
from ulna.phantom.anatomy.limb import Joint, Limb, Site
from ulna.phantom.anatomy.variation import Variation
from ulna.phantom.solids import Bone, Vector, chain, cone

_UP = np.array([0.0, 1.0, 0.0])
_FOREARM = ("radius", "ulna")


def build_elbow(v: Variation) -> Limb:
    """Build an elbow in full extension, lateral side on -x."""
    shaft = chain(
        [v.point(0, 140, 0, 0.4), v.point(0, 70, 0), v.point(0, 40, 0)],
        v.radii([10.5, 10.2, 10.5]),
        smooth=6,
    )
    humerus = Bone(
        "humerus",
        (*shaft, *distal_humerus(v, 0)),
        cortex=2.6 * v.cortex,
        medulla=(45, 180),
        density=v.density,
    )
    return Limb(
        bones=(humerus, proximal_radius(v, 0, 150), proximal_ulna(v, 0, 150)),
        soft=_soft(v),
        pivot=ELBOW_PIVOT,
        sites=elbow_sites(),
        joint=elbow_joint(),
        lesion_sites=(
            ("humerus", np.array([0.0, 50, 0]), np.array([0.0, 75, 0]), 9.0),
            ("humerus", np.array([14.0, 12, 0]), np.array([-12.0, 10, 0]), 7.0),
            ("ulna", np.array([8.0, -24, -9]), np.array([6.0, -55, -6]), 7.5),
            ("radius", np.array([-10.0, -36, 3]), np.array([-11.0, -60, 3]), 6.0),
        ),
        plate_sites=(
            ("humerus", np.array([0.0, 32, 0]), np.array([0.0, 85, 0]), 9.5),
            ("ulna", np.array([8.0, 5, -16]), np.array([7.0, -48, -7]), 8.0),
            ("radius", np.array([-11.0, -32, 3]), np.array([-12.0, -72, 3]), 6.4),
        ),
    )


def _soft(v: Variation) -> dict[int, tuple[Vector, ...]]:
    f = v.fat
    return {
        0: (
            cone((0, 160, 0), (0, 50, 0), (42 * f, 36 * f), (1.05, 0.95), 20),
            cone((0, 50, 0), (1, 0, -2), (36 * f, 31 * f), (1.2, 0.85), 20),
        ),
        1: (
            cone((0, 0, -2), (-1, -40, 0), (32 * f, 36 * f), (1.15, 0.9), 20),
            cone((-1, -40, 0), (-2, -170, 0), (36 * f, 27 * f), (1.1, 0.85), 20),
        ),
    }


def elbow_sites() -> tuple[Site, ...]:
    """Return the sites of elbow fractures."""
    return (
        Site("humerus", np.array([0.0, 30, 0]), _UP, 15, 0.24, _FOREARM),
        Site("humerus", np.array([-13.0, 14, 0]), np.array([0.7, 0.7, 0]), 11, 0.10),
        Site("humerus", np.array([19.0, 14, -1]), np.array([-0.7, 0.7, 0]), 9, 0.08),
        Site("radius", np.array([-12.0, -23, 3]), -_UP, 6.4, 0.28),
        Site("ulna", np.array([8.0, 1, -16]), np.array([0.0, -0.95, 0.3]), 9, 0.2),
        Site("ulna", np.array([7.0, -45, -7]), _UP, 7.5, 0.10),
    )


def elbow_joint() -> Joint:
    """Return the joint between trochlea and ulna."""
    x, y, z = np.eye(3)
    return Joint(
        centre=np.array([0.0, -3, 0]),
        radius=25,
        moving=_FOREARM,
        directions=(
            0.55 * y - 0.83 * z,
            0.5 * y - 0.62 * z + 0.6 * x,
            0.6 * y - 0.5 * z - 0.62 * x,
        ),
        margins=(
            ("ulna", np.array([8.0, -14, 8]), np.array([0.0, 0.5, 0.86])),
            ("ulna", np.array([8.0, 19, -15]), np.array([0.0, 0.85, 0.5])),
            ("radius", np.array([-20.0, -13, 3]), -x),
            ("humerus", np.array([24.0, 4, 0]), np.array([0.8, -0.6, 0])),
            ("humerus", np.array([-20.0, 3, 2]), np.array([-0.8, -0.6, 0])),
        ),
        surfaces=(("ulna", np.array([8.0, -12, -4])), ("humerus", np.array([8.0, -4, 2]))),
        narrow=np.array([0.0, 1.6, -0.6]),
    )
