"""The shadow of each bone: the part of the field outside which it need not be projected."""

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
    """Return (bones, 4) the first and last rows and columns of each bone, empty outside the field.

    rows: rows of the bones, of `pack`. beam: as for the kernel's `project`. A bone is bounded by
    balls around the ends of its primitives, and a broken one by those of its moved fragment too.
    """
    out = np.zeros((len(bones), 4), np.int64)
    for bone, row, place in zip(bones, rows, out, strict=True):
        fracture = fractures[bone.fracture] if bone.fracture >= 0 else None
        balls = _balls(bone, fracture)
        seen = (balls[:, :3] - row[21:24]) @ row[12:21].reshape(3, 3)
        depth, radius = seen[:, 2:], balls[:, 3:]
        # Over a ball, |x'/z' - x/z| is at most radius (1 + |x| / z) / (z - radius).
        slope = seen[:, :2] / depth
        spread = radius / np.maximum(depth - radius, 1.0) * (1 + np.abs(slope))
        low = ((slope - spread).min(0) * beam[3] - beam[:2]) / beam[2]
        high = ((slope + spread).max(0) * beam[3] - beam[:2]) / beam[2]
        for axis, size in ((1, shape[0]), (0, shape[1])):
            span = np.clip((low[axis] + size / 2 - 1, high[axis] + size / 2 + 2), 0, size)
            place[2 - 2 * axis : 4 - 2 * axis] = span
    return out


def _balls(bone: Bone, fracture: Vector | None) -> Vector:
    """Return (N, 4) centre (in the bone's frame) and radius of balls around the primitives' ends.

    Cuts have none. A broken bone has a second set, moved with its fragment.
    """
    rows = np.array([p for p in bone.primitives if not p[16]])
    half = rows[:, 12:13] * rows[:, 6:9]
    ends = np.concatenate([rows[:, 0:3] - half, rows[:, 0:3] + half])
    if fracture is not None:
        turn, pivot = fracture[9:18].reshape(3, 3), fracture[0:3]
        ends = np.concatenate([ends, (ends - pivot) @ turn + pivot + fracture[18:21]])
    radii = np.tile(rows[:, 19], len(ends) // len(rows))
    balls: Vector = np.column_stack([ends, radii])
    return balls
