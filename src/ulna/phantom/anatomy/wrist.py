"""The wrist: distal radius and ulna, eight carpals, five metacarpals.

Lengths after adult means (distal radius 30 mm wide, capitate 25 mm long), rounded.
"""

from __future__ import annotations

import numpy as np

from ulna.phantom.anatomy.limb import Joint, Limb, Site
from ulna.phantom.anatomy.variation import Variation
from ulna.phantom.solids import Bone, Vector, chain, cone, ellipsoid, rotation

CARPALS = (
    "scaphoid",
    "lunate",
    "triquetrum",
    "pisiform",
    "trapezium",
    "trapezoid",
    "capitate",
    "hamate",
)
METACARPALS = tuple(f"metacarpal{i}" for i in range(1, 6))
# Base, head, and the radii of base, shaft and head in mm, the thumb first.
METACARPAL_ENDS = (
    ((27, -34, 7), (38, -72, 12), (6.5, 4.6, 6.5)),
    ((17, -37, 0), (22, -100, 0), (6.8, 4.3, 6.8)),
    ((7, -40, 0), (8, -102, 0), (6.5, 4.3, 6.8)),
    ((-3, -40, 0), (-7, -95, 0), (5.6, 3.9, 6.2)),
    ((-11, -38, 0), (-21, -88, 0), (5.8, 4.0, 6.0)),
)
HAND = (*CARPALS, *METACARPALS)
_UP = np.array([0.0, 1.0, 0.0])


def build_wrist(v: Variation) -> Limb:
    """Build a wrist in the neutral pose, palm forward, radius on +x."""
    hand = carpals(v) + metacarpals(v)
    turn, pivot = rotation("z", v.angle(6)) @ rotation("x", v.angle(6)), np.array([5.0, -6.0, 0])
    hand = [b.moved(turn, np.zeros(3), pivot) for b in hand]
    return Limb(
        bones=(distal_radius(v), distal_ulna(v), *hand),
        soft={0: _soft(v)},
        pivot=pivot,
        sites=wrist_sites(),
        joint=wrist_joint(),
        lesion_sites=(
            ("radius", np.array([8.0, 6, 0]), np.array([8.0, 34, 0]), 9.0),
            ("ulna", np.array([-13.0, 6, -2]), np.array([-13.0, 30, -2]), 5.5),
            ("metacarpal2", np.array([18.0, -48, 0]), np.array([19.0, -60, 0]), 4.5),
            ("capitate", np.array([5.0, -22, 0]), np.array([6.0, -30, 0]), 5.5),
        ),
        plate_sites=(
            ("radius", np.array([8.0, 6, 0]), np.array([8.0, 52, 0]), 7.0),
            ("ulna", np.array([-13.0, 14, -2]), np.array([-14.0, 60, -2]), 5.4),
        ),
    )


def distal_radius(v: Variation) -> Bone:
    """Return the radius up to 130 mm; its first primitive is the shaft above 70 mm."""
    shaft = chain(
        [v.point(6, 130, 2, 0.4), v.point(8, 70, 1), v.point(9, 32, 0), v.point(10, 16, 0)],
        v.radii([7, 7, 7.6, 11]),
        (1.0, 0.85),
        6,
    )
    body = cone(v.point(2, 7, 0), v.point(16, 5, 0), (v.radius(9), v.radius(8.5)), (1, 0.85), 5)
    styloid = cone(v.point(17, 6, 0), v.point(21, -3, 1), (v.radius(6), 2.6))
    cups = [
        ellipsoid(v.point(4, -9.5, 0, 0.3), (10, 8, 9), 2.5, cut=True),
        ellipsoid(v.point(16, -9, 0, 0.3), (8, 8, 9), 2.5, cut=True),
    ]
    return Bone(
        "radius",
        (*shaft, body, styloid, *cups),
        cortex=2.4 * v.cortex,
        medulla=(25, 150),
        density=v.density,
    )


def distal_ulna(v: Variation) -> Bone:
    """Return the ulna up to 130 mm; its first primitive is the shaft above 60 mm."""
    shaft = chain(
        [
            v.point(-14, 130, -2, 0.4),
            v.point(-14, 60, -2),
            v.point(-13, 25, -2),
            v.point(-13, 8, -2),
        ],
        v.radii([6.2, 5.6, 5.2, 7.2]),
    )
    styloid = cone(v.point(-17, 6, -4), v.point(-19, -2, -5), (3, 1.8), smooth=3)
    return Bone(
        "ulna", (*shaft, styloid), cortex=2.2 * v.cortex, medulla=(20, 150), density=v.density
    )


def carpals(v: Variation) -> list[Bone]:
    """Return the eight carpals in the frame of the forearm."""
    lunate = (
        ellipsoid(v.point(3, -9.5, 0), (7, 6.8, 8)),
        ellipsoid((5, -20, 0), (7, 7, 8), 2, cut=True),
    )
    hamate = (
        cone(v.point(-5, -19, 0), v.point(-6, -30, 0), (4.5, v.radius(7.2))),
        cone((-6, -27, 4), v.point(-7, -27, 10), (3, 2)),
    )
    shapes: dict[str, tuple[Vector, ...]] = {
        "scaphoid": (
            cone(v.point(13, -9, 0), v.point(21, -17, 5), (v.radius(6.2), v.radius(5)), smooth=3),
        ),
        "lunate": lunate,
        "triquetrum": (cone(v.point(-8, -10, -2), v.point(-11, -15, -1), (6, 4.6)),),
        "pisiform": (ellipsoid(v.point(-10, -13, 9), (4.5, 5, 4)),),
        "trapezium": (cone(v.point(22, -24, 4), v.point(28, -27, 6), (6, 5.5)),),
        "trapezoid": (ellipsoid(v.point(16, -25, 0), (5, 6.5, 6)),),
        "capitate": (cone(v.point(5, -18, 0), v.point(7, -31, 0), (v.radius(5.4), v.radius(6.5))),),
        "hamate": hamate,
    }
    return [Bone(n, shapes[n], cortex=1.2 * v.cortex, density=v.density, group=1) for n in CARPALS]


def metacarpals(v: Variation) -> list[Bone]:
    """Return the five metacarpals in the frame of the forearm."""
    bones = []
    for name, (base, head, (r0, r1, r2)) in zip(METACARPALS, METACARPAL_ENDS, strict=True):
        a, b = v.point(*base), v.point(*head, 1.5)
        points = [a, a + 0.3 * (b - a), a + 0.7 * (b - a), b]
        shaft = chain(points, v.radii([r0, r1, r1, r2]), smooth=4)
        hollow = (float(b[1]) + 10, float(a[1]) - 8)
        bones.append(Bone(name, tuple(shaft), 1.6 * v.cortex, hollow, group=1, density=v.density))
    return bones


def _soft(v: Variation) -> tuple[Vector, ...]:
    f = v.fat
    return (
        cone((-3, 150, 0), (0, 60, 0), (26 * f, 27 * f), (1.1, 0.8), 15),
        cone((0, 60, 0), (2, 10, 0), (27 * f, 24 * f), (1.15, 0.75), 15),
        cone((2, 10, 0), (5, -30, 2), (23 * f, 26 * f), (1.25, 0.62), 15),
        cone((5, -30, 0), (2, -110, 0), (26 * f, 29 * f), (1.3, 0.45), 12),
        cone((22, -25, 10), (42, -85, 14), (15 * f, 11 * f), smooth=10),
    )


def wrist_sites() -> tuple[Site, ...]:
    """Return the sites of wrist fractures."""
    return (
        Site("radius", np.array([9.0, 18, 0]), _UP, 11, 0.38, HAND),
        Site("radius", np.array([9.0, 34, 0]), _UP, 8, 0.12, HAND),
        Site("radius", np.array([17.0, 4, 0]), np.array([-0.8, 0.6, 0]), 8, 0.08),
        Site("ulna", np.array([-13.0, 18, -2]), _UP, 6, 0.12),
        Site("scaphoid", np.array([17, -13, 2.5]), np.array([-0.64, 0.64, -0.4]), 6, 0.14),
        Site("metacarpal5", np.array([-13.0, -47, 0]), _UP, 4.5, 0.09),
        Site("metacarpal3", np.array([7.4, -52, 0]), _UP, 5, 0.07),
    )


def wrist_joint() -> Joint:
    """Return the joint between radius and carpals."""
    x, back = np.array([1.0, 0, 0]), np.array([0.0, 0.35, -0.94])
    front = np.array([0.0, 0.35, 0.94])
    return Joint(
        centre=np.array([6.0, -5, 0]),
        radius=17,
        moving=HAND,
        directions=(back, front, np.array([0.8, 0.45, -0.4])),
        margins=(
            ("radius", np.array([20.0, -1, 1]), np.array([0.8, -0.6, 0])),
            ("radius", np.array([0.0, 1, 0]), -x),
            ("radius", np.array([10.0, 1, -9]), np.array([0.3, -0.3, -0.9])),
            ("scaphoid", np.array([20.0, -14, 2]), np.array([0.9, 0.4, 0])),
            ("ulna", np.array([-8.0, 3, -2]), np.array([0.6, -0.8, 0])),
        ),
        surfaces=(("radius", np.array([8.0, 3, 0])), ("scaphoid", np.array([14.0, -8, 0]))),
        narrow=np.array([0.0, 2.2, 0]),
    )
