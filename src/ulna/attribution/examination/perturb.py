"""Deletion and insertion: the answer when the marked places are removed from an image, or restored.

Petsiuk et al. 2018, RISE: Randomized Input Sampling for Explanation, section 4.1. Removed pixels
are blurred, not black, since a black patch has edges that occur in no radiograph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import ndimage

from ulna.metrics.maps import area_under
from ulna.types import Array, Radiograph

# Findings fill a few hundredths of an image, so the curve has its points there.
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
_BLUR = 0.03


def deletion_and_insertion(
    radiograph: Radiograph, heat_map: Array, predict: Callable[[list[Radiograph]], list[float]]
) -> tuple[float, float]:
    """Return the mean probability under deletion and insertion of the highest pixels of a map.

    heat_map: (H, W). predict: returns the probabilities of radiographs. The means are over shares
    of the image from 0 to 0.2. A map that marks the pixels that the answer depends on has a low
    deletion and a high insertion value.
    """
    pixels = radiograph.pixels
    blurred = ndimage.gaussian_filter(pixels, _BLUR * max(pixels.shape)).astype(np.float32)
    order = np.argsort(-heat_map.ravel(), kind="stable")
    places = [order[: round(share * order.size)] for share in SHARES]
    images = [_mixed(radiograph, pixels, blurred, chosen) for chosen in places]
    images += [_mixed(radiograph, blurred, pixels, chosen) for chosen in places]
    probability = predict(images)
    n = len(SHARES)
    return area_under(SHARES, probability[:n]), area_under(SHARES, probability[n:])


def _mixed(radiograph: Radiograph, base: Array, other: Array, chosen: np.ndarray) -> Radiograph:
    """Return `base` with its pixels `chosen` taken from `other`."""
    out = base.copy().ravel()
    out[chosen] = other.ravel()[chosen]
    return replace(radiograph, pixels=out.reshape(base.shape))
