"""Local contrast normalisation, for images with dim limbs and bright borders."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ulna.types import Array

# Deviations below this share of the grey range are noise and are not amplified.
_LEAST_DEVIATION = 0.02
# Standard deviations to either side of the local mean that the grey range covers.
_SHOWN_DEVIATIONS = 3.0


def local_contrast(square: Array, image: npt.NDArray[np.bool_], share: float) -> Array:
    """Return (S, S) in [0, 1]: 0.5 where a pixel equals its local mean, 0 outside the image.

    square: (S, S) in [0, 1]. image: (S, S) False in the padding, which no mean includes. share:
    side of the square neighbourhood as a share of S. Local normalisation as in Jarrett et al.
    (2009, What is the best multi-stage architecture for object recognition?, section 3.1), with a
    box in place of the Gaussian.
    """
    side = max(3, round(share * len(square)) | 1)
    sums = _BoxSums(len(square), side)
    inside = np.where(image, square, 0).astype(np.float64)
    counted = np.maximum(sums.of(image.astype(np.float64)), 1)
    mean = sums.of(inside.copy())
    mean /= counted
    variance = sums.of(inside**2)
    variance /= counted
    variance -= mean**2
    np.maximum(variance, 0, out=variance)
    variance += _LEAST_DEVIATION**2
    inside -= mean
    inside /= 2 * _SHOWN_DEVIATIONS * np.sqrt(variance, out=variance)
    inside += 0.5
    return np.where(image, np.clip(inside, 0, 1, out=inside), 0).astype(np.float32)


class _BoxSums:
    """Sums over the side x side neighbourhood (odd side) in a square, cut off at the borders.

    Keeps its working memory, since allocating it each time would take longer than the sums.
    """

    def __init__(self, size: int, side: int) -> None:
        self._half = side // 2
        self._total = np.zeros((size + 1, size))
        self._across = np.empty((size, size))

    def of(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Replace `x` (S, S) by its sums and return it."""
        self._down(x)
        np.copyto(self._across, x.T)
        self._down(self._across)
        np.copyto(x, self._across.T)
        return x

    def _down(self, x: npt.NDArray[np.float64]) -> None:
        """Sum along the first axis, as differences of running sums."""
        n, total = len(x), self._total
        # Row by row: `cumsum` along the first axis walks down one column after another.
        for i in range(n):
            np.add(total[i], x[i], out=total[i + 1])
        for i in range(n):
            last, first = min(i + self._half + 1, n), max(i - self._half, 0)
            np.subtract(total[last], total[first], out=x[i])
