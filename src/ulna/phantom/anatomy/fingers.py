"""Phalanges and soft tissue of the fingers, beyond the wrist's metacarpals.

Lengths after adult means (proximal phalanx of the middle finger 44 mm), rounded.
"""

from __future__ import annotations

import numpy as np

from ulna.phantom.anatomy.limb import Hinge
from ulna.phantom.anatomy.variation import Variation
from ulna.phantom.anatomy.wrist import METACARPAL_ENDS
from ulna.phantom.solids import Bone, Vector, chain, cone

# Lengths of the phalanges of each finger in mm, the thumb with two first.
LENGTHS = ((32, 23), (40, 23, 17), (44, 27, 18), (41, 26, 18), (33, 19, 16))
# Radii of base, shaft and head of the first, second and last phalanx, mm.
_RADII = ((7.0, 4.3, 5.6), (5.8, 3.7, 4.8), (5.0, 2.7, 3.3))
# Joint space in mm between a head and the next base.
_SPACE = 1.3
# Group of the thumb's metacarpal, which is abducted from the palm.
THUMB = 9
PHALANGES = tuple(
    f"phalanx{f + 1}{k + 1}" for f, bones in enumerate(LENGTHS) for k in range(len(bones))
)


def finger_group(finger: int, phalanx: int) -> int:
    """Return the group of phalanx 0, 1 or 2 of finger 0 (thumb) to 4."""
    return 10 + 3 * finger + phalanx


def beyond(finger: int, phalanx: int = -1) -> tuple[str, ...]:
    """Return the names of the phalanges beyond one, or beyond the metacarpal for -1."""
    return tuple(f"phalanx{finger + 1}{k + 1}" for k in range(phalanx + 1, len(LENGTHS[finger])))


def phalanx_ends(finger: int) -> list[tuple[Vector, Vector, tuple[float, float, float]]]:
    """Return (base, head, radii) of each phalanx, in line with its metacarpal."""
    base, head, radii = METACARPAL_ENDS[finger]
    along = np.subtract(head, base) / np.linalg.norm(np.subtract(head, base))
    if finger == 0:  # the thumb bends medially beyond its metacarpal
        along = np.array([0.22, -0.96, 0.12])
    point, last, out = np.array(head, np.float64), radii[2], []
    kinds = _RADII if finger else (_RADII[0], _RADII[2])
    for length, (r0, r1, r2) in zip(LENGTHS[finger], kinds, strict=True):
        slim = 0.85 if finger == 4 else 1.0
        r0, r1, r2 = slim * r0, slim * r1, slim * r2
        start = point + along * (last + _SPACE + 0.55 * r0)
        end = start + along * (length - r0 - 0.6 * r2)
        out.append((start, end, (r0, r1, r2)))
        point, last = end, r2 * 0.8
    return out


def phalanges(v: Variation) -> list[Bone]:
    """Return the fourteen phalanges of straight fingers."""
    bones = []
    for finger in range(5):
        for k, (start, end, (r0, r1, r2)) in enumerate(phalanx_ends(finger)):
            a, b = _near(v, start), _near(v, end)
            points = [a, a + 0.3 * (b - a), a + 0.72 * (b - a), b]
            rows = chain(points, v.radii([0.85 * r0, r1, 0.92 * r1, 0.85 * r2]), (1, 0.8), 3)
            x, way = np.array([1.0, 0, 0]), (b - a) / np.linalg.norm(b - a)
            side = x - way * (x @ way)
            for at, r in ((a, r0), (b, 0.9 * r2)):  # base and head are wider than deep
                rows.append(
                    cone(at - 0.35 * r * side, at + 0.35 * r * side, (0.72 * r, 0.72 * r), smooth=3)
                )
            name = f"phalanx{finger + 1}{k + 1}"
            hollow = (float(b[1]) + 4, float(a[1]) - 4)
            group = finger_group(finger, k)
            bones.append(Bone(name, tuple(rows), 1.3 * v.cortex, hollow, group, density=v.density))
    return bones


def _near(v: Variation, point: Vector) -> Vector:
    x, y, z = (float(c) for c in point)
    return v.point(x, y, z, 0.4)


def finger_hinges() -> tuple[Hinge, ...]:
    """Return the hinges of all phalanges, proximal ones first."""
    hinges = []
    for finger in range(5):
        head = np.array(METACARPAL_ENDS[finger][1], np.float64)
        parent = 1 if finger else THUMB
        for k, (_, end, _) in enumerate(phalanx_ends(finger)):
            hinges.append(Hinge(finger_group(finger, k), parent, head))
            head, parent = end, finger_group(finger, k)
    return tuple(hinges)


def finger_soft(v: Variation) -> dict[int, tuple[Vector, ...]]:
    """Return the soft tissue around every phalanx."""
    out: dict[int, tuple[Vector, ...]] = {}
    for finger in range(5):
        ends = phalanx_ends(finger)
        for k, (start, end, _) in enumerate(ends):
            last = k == len(ends) - 1
            r0, r1 = (9.6 - 0.9 * k) * v.fat**0.7, (8.6 - 0.9 * k) * v.fat**0.7
            slim = 0.88 if finger == 4 else 1.0
            tip = end + (end - start) / np.linalg.norm(end - start) * (1.0 if last else 0.0)
            start = start - (end - start) * (0.25 if k == 0 else 0.1)
            out[finger_group(finger, k)] = (
                cone(start, tip, (slim * r0, slim * r1), (1.0, 0.9), 4),
            )
    return out
