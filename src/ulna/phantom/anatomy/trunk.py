"""The trunk beside the arm: clavicles, ribs, spine, head, and the chest with its lungs.

In the frame of the humerus, y = 150 at the humeral head and x = -175 at the body's midline.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from ulna.phantom.anatomy.variation import Variation
from ulna.phantom.solids import Bone, Vector, chain, cone, ellipsoid

MIDLINE = -175.0
_RIBS = 9
TRUNK = 3


def trunk_bones(v: Variation) -> list[Bone]:
    """Return clavicles, ribs of both sides, spine and skull, all of the group TRUNK."""
    bones = [_clavicle(v, side) for side in (1, -1)]
    bones += [_rib(v, i, side) for i in range(_RIBS) for side in (1, -1)]
    return [*bones, *_spine(v), _skull(v)]


def _clavicle(v: Variation, side: int) -> Bone:
    line = [(157, 190, -8), (125, 196, 2), (80, 190, 22), (45, 186, 28), (14, 176, 26)]
    points = [v.point(MIDLINE + side * x, y, z, 1.5) for x, y, z in line]
    rows = tuple(chain(points, v.radii([6.5, 5.5, 5.2, 5.8, 8]), smooth=6))
    name = "clavicle" if side > 0 else "clavicle2"
    return Bone(name, rows, 1.7 * v.cortex, group=TRUNK, density=v.density)


def _rib(v: Variation, i: int, side: int) -> Bone:
    """Return the i-th of nine ribs, from the spine around the side to the front."""
    top = 178 - 27 * i + float(v.point(0, 0, 0, 1.5)[1])
    wide = (62, 86, 102, 112, 120, 126, 130, 132, 132)[i]
    fall = 18 + 6 * i
    line = [
        (20, top, -52),
        (0.6 * wide, top + 4, -78),
        (0.97 * wide, top - 0.45 * fall, -42),
        (wide, top - fall, 8),
        (0.78 * wide, top - 1.5 * fall, 62),
        (0.42 * wide, top - 1.55 * fall, 84),
    ]
    curve = CubicSpline(range(6), [(MIDLINE + side * x, y, z) for x, y, z in line])
    points = curve(np.linspace(0, 5, 11))
    rows = tuple(chain(points, [4.5, *[5.3] * 9, 4.5], smooth=2))
    return Bone(
        f"rib{i}{'' if side > 0 else 'b'}", rows, 1.2, group=TRUNK, density=0.85 * v.density
    )


def _spine(v: Variation) -> list[Bone]:
    bones = []
    for i in range(17):
        y, r = 285 - 27.0 * i, 13 + 0.45 * i
        body = cone(
            (MIDLINE - 0.55 * r, y, -40), (MIDLINE + 0.55 * r, y, -40), (10.5, 10.5), (1, 1.25)
        )
        arch = cone((MIDLINE - 14, y - 2, -66), (MIDLINE + 14, y - 2, -66), (6, 6), (1, 0.8))
        bones.append(Bone(f"vertebra{i}", (body, arch), 1.2, group=TRUNK, density=v.density))
    return bones


def _skull(v: Variation) -> Bone:
    jaw = cone((MIDLINE, 268, 62), (MIDLINE, 300, 20), (30, 48), smooth=20)
    vault = ellipsoid((MIDLINE, 370, 0), (72, 82, 90), 20)
    return Bone("skull", (vault, jaw), 5.0, group=TRUNK, density=v.density)


def trunk_soft(v: Variation) -> tuple[Vector, ...]:
    """Return chest, abdomen, shoulders, neck and head, the cut for the lungs, and the heart."""
    f = v.fat**0.6
    m = MIDLINE
    flat = (1.3, 0.8)
    return (
        cone((m, 135, -10), (m, -60, -10), (98 * f, 112 * f), flat, 40),
        cone((m, -60, -10), (m, -750, -10), (112 * f, 120 * f), flat, 40),
        cone((m - 90, 178, -15), (m + 90, 178, -15), (30 * f, 30 * f), (1, 1.2), 35),
        cone((m + 80, 175, -12), (-22, 158, -5), (36 * f, 42 * f), (1, 1), 30),
        cone((-40, 90, -25), (-75, 40, -20), (34 * f, 30 * f), (1, 0.8), 40),
        cone((m, 170, -15), (m, 280, 0), (52 * f, 54 * f), smooth=30),
        ellipsoid((m, 360, 8), (78, 105, 98), 25),
        # The lungs are cut out of all of the above, which leaves a wall of about 5 cm.
        ellipsoid((m - 66, 48, -5), (56, 128, 50), 12, cut=True),
        ellipsoid((m + 66, 48, -5), (56, 128, 50), 12, cut=True),
        ellipsoid((m + 10, 0, 20), (50, 62, 40), 10),
    )
