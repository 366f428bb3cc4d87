"""Resampling along one axis as a few taps: out[i] = sum over k of weights[i, k] * in[first[i] + k].

Added up in the order of the input, in single precision, block by block so that the rows at work
stay in the cache. No sparse matrices: importing them would double the time to a first answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ulna.errors import ImageError
from ulna.types import Array

# Of a block's rows: they stay in the second-level cache.
_BLOCK_BYTES = 1 << 18
# Sizes whose taps are remembered: images of one archive have few.
_KEPT = 32


@dataclass(frozen=True)
class Taps:
    """Which inputs make each of N outputs.

    first: (N,) of the K neighbouring inputs, may lie outside where the weight is 0. weights:
    (N, K) float32 >= 0.
    """

    first: npt.NDArray[np.int64]
    weights: Array

    def part(self, start: int, count: int) -> Taps:
        """The same for inputs of which only start .. start + count - 1 are not zero."""
        first = self.first - start
        place = first[:, None] + np.arange(self.weights.shape[1])
        inside = (place >= 0) & (place < count)
        return Taps(first, np.where(inside, self.weights, np.float32(0)))

    def rows(self, image: Array) -> Array:
        """(N, W) float32 of `image` (n, W) float32, along its first axis."""
        n_out, n_taps = self.weights.shape
        width = image.shape[1]
        result = np.empty((n_out, width), np.float32)
        block = max(1, _BLOCK_BYTES // max(4 * width, 1))
        buffer = np.empty((min(block, n_out), width), np.float32)
        places = np.clip(self.first[:, None] + np.arange(n_taps), 0, len(image) - 1)
        for start in range(0, n_out, block):
            out = result[start : start + block]
            taken = buffer[: len(out)]
            here = slice(start, start + len(out))
            for k in range(n_taps):
                target = taken if k else out
                np.take(image, places[here, k], axis=0, out=target, mode="clip")
                target *= self.weights[here, k, None]
                if k:
                    out += taken
        return result


@lru_cache(_KEPT)
def area_taps(n_in: int, n_out: int) -> Taps:
    """Each output is the mean of the inputs it covers, by the shares that it covers of them.

    Shared between callers: not to be written to. Raises ImageError for no cells.
    """
    if n_in < 1 or n_out < 1:
        raise ImageError(f"area resampling of {n_in} to {n_out} cells: expected at least 1 of each")
    # In units of 1/(n_in*n_out) of the length all borders are integers: the overlap is exact.
    low = np.arange(n_out) * n_in
    first = low // n_out
    last = -(-(low + n_in) // n_out)
    place = first[:, None] + np.arange(int((last - first).max()))
    overlap = np.minimum(low[:, None] + n_in, (place + 1) * n_out)
    overlap -= np.maximum(low[:, None], place * n_out)
    return Taps(first, (np.maximum(overlap, 0) / n_in).astype(np.float32))


@lru_cache(_KEPT)
def linear_taps(n_in: int, n_out: int) -> Taps:
    """Bilinear between the centres of the inputs, constant beyond the outermost ones.

    Shared between callers: not to be written to.
    """
    centre = np.clip((np.arange(n_out) + 0.5) * (n_in / n_out) - 0.5, 0, n_in - 1)
    first = np.minimum(np.floor(centre).astype(np.int64), max(n_in - 2, 0))
    share = centre - first
    return Taps(first, np.stack([1 - share, share], axis=1).astype(np.float32))
