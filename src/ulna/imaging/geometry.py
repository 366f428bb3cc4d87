"""Letterbox geometry: images to the model's square input and back, with mean-preserving resampling.

All coordinates are (x, y), x to the right and y down, with the origin at the upper left
corner of the upper left pixel, so pixel (row r, column c) covers [c, c+1] x [r, r+1].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ulna.errors import ImageError
from ulna.imaging.resample import area_taps, linear_taps
from ulna.types import Array

Box = tuple[float, float, float, float]
Part = tuple[int, int, int, int]
"""(left, top, width, height) in px."""


@dataclass(frozen=True)
class Placement:
    """The mapping of an image of `source` (H, W) px into a square of `size` px, and its inverse.

    The image, or only `part` of it, is centred in a square of max(H, W) source px (an odd remainder
    goes right and down), which is then scaled to the target. scale: target px per source px.
    offset: (x, y) of the image's upper left corner in target px; outside the square if the part
    does not contain that corner.
    """

    source: tuple[int, int]
    size: int
    scale: float
    offset: tuple[float, float]
    part: Part | None = None

    def __post_init__(self) -> None:
        if min(self.source) < 1 or self.size < 1 or self.scale <= 0:
            raise ImageError(
                f"placement of {self.source} px in {self.size} px at scale {self.scale}: "
                "expected positive numbers"
            )

    @classmethod
    def fit(cls, source: tuple[int, int], size: int, part: Part | None = None) -> Placement:
        """Return the letterbox of an image of `source` (H, W) px in a square of `size` px.

        part: the part of the image that fills the square, None for all. Raises ImageError for a
        part that is not within the image.
        """
        x, y, width, height = part or (0, 0, source[1], source[0])
        inside = x >= 0 and y >= 0 and x + width <= source[1] and y + height <= source[0]
        if not inside or min(width, height) < 1:
            raise ImageError(f"part {part} of an image of {source} px: expected one within it")
        side = max(width, height)
        scale = size / side
        left, top = (side - width) // 2 - x, (side - height) // 2 - y
        whole = (x, y, width, height) == (0, 0, source[1], source[0])
        return cls(source, size, scale, (left * scale, top * scale), None if whole else part)

    @property
    def shown(self) -> Part:
        """The part of the image that lies in the square; normally the whole image."""
        return self.part or (0, 0, self.source[1], self.source[0])

    @property
    def side(self) -> int:
        """Side of the padded square in source px."""
        return max(self.shown[2:])

    @property
    def padding(self) -> tuple[int, int]:
        """(left, top) padding in source px."""
        _, _, width, height = self.shown
        return (self.side - width) // 2, (self.side - height) // 2

    def box_to_target(self, box: Box) -> Box:
        """Convert `box` (x, y, width, height) from source px to target px."""
        s, (dx, dy) = self.scale, self.offset
        return box[0] * s + dx, box[1] * s + dy, box[2] * s, box[3] * s

    def to_source(self, grid: npt.ArrayLike) -> Array:
        """Interpolate `grid` (h, w) over the padded square to (H, W) float32 over the source image.

        Bilinear between the centres of the cells and constant beyond the outermost centres, so no
        value leaves the range of the grid. 0 outside of the part shown, which contributes nothing
        to a logit. Raises ImageError for anything but a 2-D grid.
        """
        cells = np.asarray(grid, dtype=np.float32)
        if cells.ndim != 2 or cells.size == 0:
            raise ImageError(f"grid of shape {cells.shape}: expected (h, w)")
        (left, top), (x, y, width, height) = self.padding, self.shown
        rows = _linear_matrix(cells.shape[0], self.side, top, height)
        columns = _linear_matrix(cells.shape[1], self.side, left, width)
        result = np.ascontiguousarray(rows @ (cells @ columns.T), dtype=np.float32)
        if self.part is None:
            return result
        whole = np.zeros(self.source, np.float32)
        whole[y : y + height, x : x + width] = result
        return whole

    def array_to_target(self, pixels: npt.ArrayLike) -> Array:
        """Resample `pixels` (H, W) to (size, size) float32 in the letterbox, padded with 0.

        Downscaling averages over the exact area of each target pixel; upscaling is bilinear.
        """
        image = np.asarray(pixels, dtype=np.float32)
        if image.shape != self.source:
            raise ImageError(f"array of shape {image.shape}: expected {self.source}")
        (left, top), (x, y, width, height) = self.padding, self.shown
        image = image[y : y + height, x : x + width]
        taps = (area_taps if self.size < self.side else linear_taps)(self.side, self.size)
        bands = taps.part(top, height).rows(image)
        columns = taps.part(left, width).rows(np.ascontiguousarray(bands.T))
        return np.ascontiguousarray(columns.T)


def letterbox(
    pixels: npt.ArrayLike, size: int, part: Part | None = None
) -> tuple[Array, Placement]:
    """Scale `pixels` (H, W) into a square (size, size) float32, keeping the aspect ratio.

    The rest is padded with 0. part: the only part of the image to show, None for all.
    """
    image = np.asarray(pixels, dtype=np.float32)
    if image.ndim != 2 or image.size == 0:
        raise ImageError(f"pixels of shape {image.shape}: expected a non-empty (H, W) array")
    placement = Placement.fit((image.shape[0], image.shape[1]), size, part)
    return placement.array_to_target(image), placement


@lru_cache(32)
def area_matrix(n_in: int, n_out: int) -> npt.NDArray[np.float64]:
    """Return (n_out, n_in) weights that resample `n_in` equal cells to `n_out` of the same length.

    Entry [i, j] is the share of output cell i that input cell j covers. Rows sum to 1, columns
    to n_out / n_in, so `area_matrix(h, H) @ grid @ area_matrix(w, W).T` has the mean of `grid`.
    The matrix is cached, and therefore read-only.
    """
    if n_in < 1 or n_out < 1:
        raise ImageError(f"area matrix of {n_in} to {n_out} cells: expected at least 1 of each")
    # In units of 1/(n_in*n_out) of the length all edges are integers, so the overlap is exact.
    edges = np.union1d(np.arange(n_in + 1) * n_out, np.arange(n_out + 1) * n_in)
    start = edges[:-1]
    matrix = np.zeros((n_out, n_in))
    matrix[start // n_in, start // n_out] = np.diff(edges) / n_in
    matrix.setflags(write=False)
    return matrix


def _linear_matrix(n_cells: int, side: int, start: int, count: int) -> Array:
    """(count, n_cells) bilinear weights of `count` source px from `start` on, in `side` px."""
    centre = (np.arange(start, start + count) + 0.5) * (n_cells / side) - 0.5
    centre = np.clip(centre, 0, n_cells - 1)
    low = np.minimum(np.floor(centre).astype(int), max(n_cells - 2, 0))
    high = np.minimum(low + 1, n_cells - 1)
    weights = np.zeros((count, n_cells), dtype=np.float32)
    rows = np.arange(count)
    np.add.at(weights, (rows, low), 1 - (centre - low))
    np.add.at(weights, (rows, high), centre - low)
    return weights
