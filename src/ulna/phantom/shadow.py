"""Where in the field each bone can be met: what lies outside need not be projected."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ulna.phantom.solids import Bone, Vector


def shadows(
    bones: tuple[Bone, ...],
    fractures: tuple[Vector, ...],
    rows: Vector,
    beam: Vector,
    shape: tuple[int, int],
) -> npt.NDArray[np.int64]:
    """(bones, 4) rows from, to and columns from, to; empty ranges for what is out of the field.

    rows: of the bones, as packed. beam: as for the kernel's `project`. A bone is the hull of
    balls about the ends of its primitives; of a broken one they count twice, still and moved.
    """
    out = np.zeros((len(bones), 4), np.int64)
    for bone, row, place in zip(bones, rows, out, strict=True):
        fracture = fractures[bone.fracture] if bone.fracture >= 0 else None
        balls = _balls(bone, fracture)
        seen = (balls[:, :3] - row[21:24]) @ row[12:21].reshape(3, 3)
        depth, radius = seen[:, 2:], balls[:, 3:]
        # |x'/z' - x/z| over a ball is at most radius (1 + |x| / z) / (z - radius)
        slope = seen[:, :2] / depth
        spread = radius / np.maximum(depth - radius, 1.0) * (1 + np.abs(slope))
        low = ((slope - spread).min(0) * beam[3] - beam[:2]) / beam[2]
        high = ((slope + spread).max(0) * beam[3] - beam[:2]) / beam[2]
        for axis, size in ((1, shape[0]), (0, shape[1])):
            span = np.clip((low[axis] + size / 2 - 1, high[axis] + size / 2 + 2), 0, size)
            place[2 - 2 * axis : 4 - 2 * axis] = span
    return out


def _balls(bone: Bone, fracture: Vector | None) -> Vector:
    """(N, 4) centre (bone's frame) and radius about both ends of every primitive that is not
    cut away; of a broken bone also where its fragment has gone."""
    rows = np.array([p for p in bone.primitives if not p[16]])
    half = rows[:, 12:13] * rows[:, 6:9]
    ends = np.concatenate([rows[:, 0:3] - half, rows[:, 0:3] + half])
    if fracture is not None:
        turn, pivot = fracture[9:18].reshape(3, 3), fracture[0:3]
        ends = np.concatenate([ends, (ends - pivot) @ turn + pivot + fracture[18:21]])
    radii = np.tile(rows[:, 19], len(ends) // len(rows))
    balls: Vector = np.column_stack([ends, radii])
    return balls
