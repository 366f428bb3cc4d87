"""The elbow's bones, shared by elbow, humerus and arm; y = 0 at the joint."""

from __future__ import annotations

import numpy as np

from ulna.phantom.anatomy.variation import Variation
from ulna.phantom.solids import Bone, Vector, chain, cone, ellipsoid


def distal_humerus(v: Variation, y: float) -> tuple[Vector, ...]:
    """Return columns, condyles, capitellum, trochlea and both fossae, moved by `y` mm."""
    return (
        cone(v.point(-6, 38 + y, 0), v.point(-17, 10 + y, 0), _radii(v, 7.5, 6.5), (1, 0.7), 7),
        cone(v.point(6, 38 + y, 0), v.point(18, 12 + y, -1), _radii(v, 7.5, 6.0), (1, 0.7), 7),
        cone(v.point(-18, 8 + y, 0), v.point(26, 12 + y, -1), (6.5, 5), (1, 0.8), 5),
        ellipsoid((-12, 2 + y, 4), (9.5, 9.5, 9.5), 4),
        cone((0, 2 + y, 2), (17, 1 + y, 2), (8.5, 9.5)),
        ellipsoid(v.point(3, 19 + y, -9, 0.4), (9, 8, 7), 3, cut=True),
        ellipsoid(v.point(3, 18 + y, 9, 0.4), (8, 7, 5.5), 3, cut=True),
    )


def proximal_radius(v: Variation, y: float, length: float) -> Bone:
    """Return head with its cup, neck, tuberosity and `length` mm of shaft."""
    shaft = chain(
        [
            v.point(-12, -17 + y, 3, 0.3),
            v.point(-12, -27 + y, 3, 0.5),
            v.point(-9, -40 + y, 3),
            v.point(-12, -70 + y, 3),
            (-14, -length + y, 3),
        ],
        v.radii([7.0, 6.0, 7.0, 6.4, 6.4]),
        smooth=4,
    )
    head = cone((-12, -13 + y, 3), (-12, -17 + y, 3), _radii(v, 8.6, 8.2), smooth=2)
    cup = ellipsoid((-12, -2.6 + y, 4), (10.4, 10.4, 10.4), 1.5, cut=True)
    hollow = (-length - 20 + y, -45 + y)
    return Bone("radius", (head, cup, *shaft), 2.2 * v.cortex, hollow, group=1, density=v.density)


def proximal_ulna(v: Variation, y: float, length: float) -> Bone:
    """Return olecranon, coronoid, the notch around the trochlea and `length` mm of shaft."""
    shaft = chain(
        [
            v.point(8, 14 + y, -16),
            v.point(8, 2 + y, -17),
            v.point(8, -10 + y, -14),
            v.point(8, -28 + y, -8),
            v.point(6, -60 + y, -6),
            (2, -length + y, -6),
        ],
        v.radii([7.5, 8.5, 9, 8.5, 7, 6]),
        (0.95, 1),
        6,
    )
    coronoid = cone((8, -10 + y, -8), v.point(8, -15 + y, 6), (7.5, 4.5), (1.1, 1), 5)
    notch = cone((-4, 1 + y, 2), (20, 1 + y, 2), (10.6, 10.6), smooth=2, cut=True)
    hollow = (-length - 20 + y, -40 + y)
    return Bone(
        "ulna", (*shaft, coronoid, notch), 2.2 * v.cortex, hollow, group=1, density=v.density
    )


def _radii(v: Variation, a: float, b: float) -> tuple[float, float]:
    return v.radius(a), v.radius(b)


ELBOW_PIVOT = np.array([0.0, 1.0, 2.0])
