"""Resampling along one axis as a few taps: out[i] = sum over k of weights[i, k] * in[first[i] + k].

The sum runs in the order of the input in float32, block by block so that the rows in use stay in
the cache. Importing sparse matrices instead would double the time to the first prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ulna.errors import ImageError
from ulna.types import Array

# Size of the rows of a block, which fit into the second-level cache.
_BLOCK_BYTES = 1 << 18
# Number of sizes whose taps are cached; images of one archive have few.
_KEPT = 32


@dataclass(frozen=True)
class Taps:
    """Each of N outputs as a weighted sum of K neighbouring inputs.

    first: (N,) index of the first input, which may be out of range where the weight is 0.
    weights: (N, K) float32 >= 0.
    """

    first: npt.NDArray[np.int64]
    weights: Array

    def part(self, start: int, count: int) -> Taps:
        """Return the taps for inputs that are zero outside of start .. start + count - 1."""
        first = self.first - start
        place = first[:, None] + np.arange(self.weights.shape[1])
        inside = (place >= 0) & (place < count)
        return Taps(first, np.where(inside, self.weights, np.float32(0)))

    def rows(self, image: Array) -> Array:
        """Resample `image` (n, W) float32 along its first axis to (N, W) float32."""
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
    """Return taps that average over the exact area of each output.

    The result is cached and must not be modified. Raises ImageError for sizes below 1.
    """
    if n_in < 1 or n_out < 1:
        raise ImageError(f"area resampling of {n_in} to {n_out} cells: expected at least 1 of each")
    # In units of 1/(n_in*n_out) of the length all edges are integers, so the overlap is exact.
    low = np.arange(n_out) * n_in
    first = low // n_out
    last = -(-(low + n_in) // n_out)
    place = first[:, None] + np.arange(int((last - first).max()))
    overlap = np.minimum(low[:, None] + n_in, (place + 1) * n_out)
    overlap -= np.maximum(low[:, None], place * n_out)
    return Taps(first, (np.maximum(overlap, 0) / n_in).astype(np.float32))


@lru_cache(_KEPT)
def linear_taps(n_in: int, n_out: int) -> Taps:
    """Return taps that are linear between the inputs' centres and constant beyond the outermost.

    The result is cached and must not be modified.
    """
    centre = np.clip((np.arange(n_out) + 0.5) * (n_in / n_out) - 0.5, 0, n_in - 1)
    first = np.minimum(np.floor(centre).astype(np.int64), max(n_in - 2, 0))
    share = centre - first
    return Taps(first, np.stack([1 - share, share], axis=1).astype(np.float32))
