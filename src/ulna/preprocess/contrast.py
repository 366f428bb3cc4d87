"""Contrast against the neighbourhood, for films whose limbs are dim and borders bright."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ulna.types import Array

# Deviations below this (of the grey range) are noise on an even ground: they stay small.
_LEAST_DEVIATION = 0.02
# The grey range shows so many deviations to either side of the neighbourhood's mean.
_SHOWN_DEVIATIONS = 3.0


def local_contrast(square: Array, film: npt.NDArray[np.bool_], share: float) -> Array:
    """(S, S) in [0, 1]: 0.5 where a pixel is the mean of its neighbourhood, 0 outside the film.

    square: (S, S) in [0, 1]. film: (S, S) where it shows film and not padding, which no mean
    counts. share: side of the square neighbourhood, of S. Local normalisation as in Jarrett et
    al. (2009, What is the best multi-stage architecture for object recognition?, section 3.1),
    with a box in place of the Gaussian.
    """
    side = max(3, round(share * len(square)) | 1)
    counted = np.maximum(_box_sum(film.astype(np.float64), side), 1)
    inside = np.where(film, square, 0).astype(np.float64)
    mean = _box_sum(inside, side) / counted
    variance = np.maximum(_box_sum(inside**2, side) / counted - mean**2, 0)
    deviation = np.sqrt(variance + _LEAST_DEVIATION**2)
    scaled = 0.5 + (inside - mean) / (2 * _SHOWN_DEVIATIONS * deviation)
    return np.where(film, np.clip(scaled, 0, 1), 0).astype(np.float32)


def _box_sum(x: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    """Sum over the side x side neighbourhood (odd side), cut off at the borders."""
    half = side // 2
    for axis in (0, 1):
        total = np.cumsum(x, axis=axis)
        total = np.insert(total, 0, 0, axis=axis)
        n = x.shape[axis]
        first = np.maximum(np.arange(n) - half, 0)
        last = np.minimum(np.arange(n) + half + 1, n)
        x = np.take(total, last, axis=axis) - np.take(total, first, axis=axis)
    return x
