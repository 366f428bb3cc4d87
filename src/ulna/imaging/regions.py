"""Connected regions of a mask, by merging runs of pixels in rows.

Heat maps are smooth, so their regions have few runs (Rosenfeld and Pfaltz 1966, Sequential
operations in digital picture processing; equivalences by union-find). `scipy.ndimage.label` gives
the same regions, but importing it takes as long as a whole prediction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Region:
    """A region of N runs. row, start, stop: (N,) row and columns of each run, `stop` excluded."""

    row: Ints
    start: Ints
    stop: Ints

    @property
    def bounds(self) -> tuple[slice, slice]:
        """The bounding box as slices of rows and columns."""
        return (
            slice(int(self.row.min()), int(self.row.max()) + 1),
            slice(int(self.start.min()), int(self.stop.max())),
        )

    def largest(self, values: npt.NDArray[np.float32]) -> float:
        """Return the largest of `values` (H, W) in the region."""
        runs = zip(self.row, self.start, self.stop, strict=True)
        return max(float(values[r, a:b].max()) for r, a, b in runs)

    def mask(self, window: tuple[slice, slice]) -> npt.NDArray[np.bool_]:
        """Return the region as a mask of `window`, slices that contain its bounding box."""
        rows, columns = window
        inside = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.bool_)
        for r, a, b in zip(self.row, self.start, self.stop, strict=True):
            inside[r - rows.start, a - columns.start : b - columns.start] = True
        return inside


def regions(mask: npt.NDArray[np.bool_]) -> list[Region]:
    """Return the regions (8 neighbours) of `mask` (H, W), in the order of their first pixels."""
    row, start, stop = _runs(mask)
    of = np.array(_roots(row.tolist(), start.tolist(), stop.tolist()), np.intp)
    order = np.argsort(of, kind="stable")
    cuts = np.flatnonzero(np.diff(of[order])) + 1
    return [Region(row[i], start[i], stop[i]) for i in np.split(order, cuts) if i.size]


def _runs(mask: npt.NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
    """Return (row, start, stop) of every run, row by row from left to right."""
    rows = np.flatnonzero(mask.any(axis=1))
    padded = np.zeros((rows.size, mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask[rows]
    change = np.diff(padded, axis=1)
    place, start = np.nonzero(change == 1)
    return rows[place], start, np.nonzero(change == -1)[1]


def _roots(row: list[int], start: list[int], stop: list[int]) -> list[int]:
    """Return, for each run, the index of the first run of its region."""
    parent = list(range(len(row)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    above = 0  # the first run that may touch run i from the row above
    for i in range(len(row)):
        while row[above] < row[i] - 1 or (row[above] == row[i] - 1 and stop[above] < start[i]):
            above += 1
        k = above
        while row[k] == row[i] - 1 and start[k] <= stop[i]:
            first, other = sorted((root(k), root(i)))
            parent[other] = first
            k += 1
    return [root(i) for i in range(len(row))]
