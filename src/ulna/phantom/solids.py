"""Solids of smoothly joined round cones and ellipsoids, and bones, which have a density.

Lengths are in mm in the neutral frame of the limb: x lateral, y proximal, z anterior. Each
primitive and bone is one row of numbers for the numba kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Point = Sequence[float] | Vector

# Columns of a primitive: centre 0:3, world-to-local matrix 3:12, half length 12, radii 13 14,
# distance scale 15, operation 16 (0 join, 1 cut), smoothness 17, distances from its axis (or
# centre) beyond which it changes nothing 18 and contains nothing 19; cosine 20 and sine 21 of a
# round cone's half opening.
PRIMITIVE_COLUMNS = 22
# Columns of a bone: first primitive 0, count 1, cortex 2, mu cortex 3, mu spongiosa 4, texture 5,
# fracture 6, lesion 7, metal 8, medulla 9:11, marked 11; in the bone's own frame the view axes
# 12:21, the source 21:24 and the sphere in which everything is marked 24:28 (radius 0: none).
BONE_COLUMNS = 28

# Linear attenuation in 1/mm at an effective 60 keV (NIST XCOM, ICRU-44 tissues).
MU_SOFT = 0.0205
MU_CORTEX = 0.072
MU_SPONGIOSA = 0.034
MU_METAL = 0.35


def rotation(axis: str, angle: float) -> Vector:
    """Return the (3, 3) rotation by `angle` rad about the axis 'x', 'y' or 'z'."""
    c, s = np.cos(angle), np.sin(angle)
    rows = {
        "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
        "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }
    return np.array(rows[axis], np.float64)


def frame(direction: Point) -> Vector:
    """Return (3, 3) rows x, y, z of a right-handed frame whose y points along `direction`."""
    y = np.asarray(direction, np.float64)
    y = y / np.linalg.norm(y)
    near = np.array([1.0, 0, 0]) if abs(y[0]) < 0.8 else np.array([0, 0, 1.0])
    x = near - y * (near @ y)
    x /= np.linalg.norm(x)
    return np.stack([x, y, np.cross(x, y)])


def cone(
    a: Point,
    b: Point,
    radii: tuple[float, float],
    flat: tuple[float, float] = (1.0, 1.0),
    smooth: float = 4.0,
    cut: bool = False,
) -> Vector:
    """Return a round cone from `a` to `b`; flat: factors on its two transverse axes, x first."""
    start, end = np.asarray(a, np.float64), np.asarray(b, np.float64)
    row = np.zeros(PRIMITIVE_COLUMNS)
    row[0:3] = (start + end) / 2
    row[3:12] = (np.diag([1 / flat[0], 1.0, 1 / flat[1]]) @ frame(end - start)).ravel()
    row[12] = np.linalg.norm(end - start) / 2
    row[13:15] = radii
    row[15] = min(1.0, *flat)
    row[16:18] = float(cut), smooth
    return _with_reach(row)


def ellipsoid(
    centre: Point, radii: Point, smooth: float = 3.0, cut: bool = False, turn: Vector | None = None
) -> Vector:
    """Return an ellipsoid with semi-axes `radii` along x, y, z, rotated by `turn`."""
    r = np.asarray(radii, np.float64)
    row = np.zeros(PRIMITIVE_COLUMNS)
    row[0:3] = centre
    row[3:12] = (np.diag(r.min() / r) @ (np.eye(3) if turn is None else turn)).ravel()
    row[13:15] = r.min()
    row[15:18] = 1.0, float(cut), smooth
    return _with_reach(row)


def mirrored(row: Vector, up: float = 0.0) -> Vector:
    """Return a primitive with left and right exchanged, moved by `up` mm along y."""
    out = row.copy()
    out[0] = -row[0]
    out[1] += up
    out[[3, 6, 9]] = -row[[3, 6, 9]]
    return out


def tight(rows: Sequence[Vector], smooth: float = 1.2, grown: float = 1.0) -> tuple[Vector, ...]:
    """Return the primitives joined less smoothly, since a chain swells by a quarter of `smooth`.

    grown: factor on the radii of all primitives that are not cuts.
    """
    out = []
    for row in rows:
        row = row.copy()
        row[17] = min(row[17], smooth)
        row[13:15] *= 1.0 if row[16] else grown
        out.append(_with_reach(row))
    return tuple(out)


def _with_reach(row: Vector) -> Vector:
    """Fill the columns that bound where a primitive matters, and the half opening of a cone.

    A cut matters as deep as a cortex is thick, a join as far as it is smooth. The kernel's distance
    grows at least `slowest` times as fast as the true one, and a smooth join bulges by a quarter of
    its smoothness (Quilez, polynomial smooth minimum).
    """
    scales = np.linalg.svd(row[3:12].reshape(3, 3), compute_uv=False)
    slowest = float(scales[-1] * row[15])
    widest = max(row[13], row[14]) / scales[-1]
    row[18] = widest + (row[17] + (8.0 if row[16] else 1.0)) / slowest
    row[19] = widest + (row[17] / 4 + 1.0) / slowest
    if row[12]:
        row[21] = np.clip((row[13] - row[14]) / (2 * row[12]), -0.999, 0.999)
    row[20] = np.sqrt(1 - row[21] ** 2)
    return row


def chain(
    points: Sequence[Point],
    radii: Sequence[float],
    flat: tuple[float, float] = (1.0, 1.0),
    smooth: float = 5.0,
) -> list[Vector]:
    """Return round cones through `points`, like the shaft of a long bone."""
    ends = zip(points, points[1:], radii, radii[1:], strict=False)
    return [cone(a, b, (r, s), flat, smooth) for a, b, r, s in ends]


@dataclass(frozen=True)
class Bone:
    """A solid with cortex, spongiosa and medulla, or one of metal.

    cortex: thickness in mm. medulla: (y0, y1) between which the shaft is hollow. group: number of
    the group that moves together, 0 for the one that stays. rotation, translation: pose, from the
    neutral frame to the limb frame. fracture, lesion: row numbers or -1. marked: whether the whole
    bone is a finding. density: factor on both attenuations (osteoporotic to dense).
    """

    name: str
    primitives: tuple[Vector, ...]
    cortex: float = 2.0
    medulla: tuple[float, float] = (0.0, 0.0)
    group: int = 0
    metal: bool = False
    marked: bool = False
    fracture: int = -1
    lesion: int = -1
    density: float = 1.0
    rotation: Vector = field(default_factory=lambda: np.eye(3))
    translation: Vector = field(default_factory=lambda: np.zeros(3))

    def moved(self, turn: Vector, shift: Vector, pivot: Vector) -> Bone:
        """Return the bone rotated about `pivot` and shifted, in the limb frame."""
        return replace(
            self,
            rotation=turn @ self.rotation,
            translation=turn @ (self.translation - pivot) + pivot + shift,
        )

    def part_of_finding(self, name: str, *primitives: Vector, **changes: Any) -> Bone:
        """Return a marked solid that moves with this bone; changes: its other fields."""
        changes = {"marked": True, "fracture": -1, "lesion": -1} | changes
        return replace(self, name=name, primitives=primitives, **changes)

    def to_limb(self, point: Point) -> Vector:
        """Return a point of the bone's neutral frame in the limb frame."""
        placed: Vector = self.rotation @ np.asarray(point, np.float64) + self.translation
        return placed

    def row(self, first: int, axes: Vector, source: Vector, ball: Vector) -> Vector:
        """Return this bone's row for the kernel; arguments as for `pack`."""
        out = np.zeros(BONE_COLUMNS)
        out[0:2] = first, len(self.primitives)
        out[2] = self.cortex
        out[3] = MU_METAL if self.metal else MU_CORTEX * self.density
        out[4] = MU_SPONGIOSA * self.density
        out[5] = 0.010
        out[6:9] = self.fracture, self.lesion, float(self.metal)
        out[9:11] = self.medulla
        out[11] = float(self.marked)
        out[12:21] = (axes @ self.rotation).T.ravel()
        out[21:24] = (source - self.translation) @ self.rotation
        out[24:27], out[27] = (ball[:3] - self.translation) @ self.rotation, ball[3]
        return out


def pack(
    bones: Sequence[Bone], axes: Vector, source: Vector, ball: Vector
) -> tuple[Vector, Vector]:
    """Return primitive rows (NP, 22) and bone rows (NB, 28).

    axes: (3, 3) rotation from limb to view. source, ball: in the limb frame.
    """
    primitives: list[Vector] = []
    rows = []
    for bone in bones:
        rows.append(bone.row(len(primitives), axes, source, ball))
        primitives.extend(bone.primitives)
    return np.array(primitives), np.array(rows)
