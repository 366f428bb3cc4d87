"""Deletion and insertion: what the answer does when the image's marked places go or come.

Petsiuk et al. 2018, RISE: Randomized Input Sampling for Explanation, section 4.1. What is gone is
blurred, not black: a black patch is an edge that no image has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import ndimage

from ulna.metrics.maps import area_under
from ulna.types import Array, Radiograph

# Findings fill a few cells in a hundred of an image, so the curve is drawn where they are.
SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
_BLUR = 0.03
Ask = Callable[[list[Radiograph]], list[float]]


def deletion_and_insertion(
    radiograph: Radiograph, heat_map: Array, ask: Ask
) -> tuple[float, float]:
    """Mean probability while the highest pixels of (H, W) `heat_map` are deleted, and inserted.

    Over shares of the image from 0 to 0.2. ask: probabilities of radiographs. A map that marks
    what the answer rests on has a low first and a high second number.
    """
    pixels = radiograph.pixels
    blurred = ndimage.gaussian_filter(pixels, _BLUR * max(pixels.shape)).astype(np.float32)
    order = np.argsort(-heat_map.ravel(), kind="stable")
    places = [order[: round(share * order.size)] for share in SHARES]
    images = [_mixed(radiograph, pixels, blurred, chosen) for chosen in places]
    images += [_mixed(radiograph, blurred, pixels, chosen) for chosen in places]
    probability = ask(images)
    n = len(SHARES)
    return area_under(SHARES, probability[:n]), area_under(SHARES, probability[n:])


def _mixed(radiograph: Radiograph, base: Array, other: Array, chosen: np.ndarray) -> Radiograph:
    """`base` with the pixels `chosen` of `other`."""
    out = base.copy().ravel()
    out[chosen] = other.ravel()[chosen]
    return replace(radiograph, pixels=out.reshape(base.shape))
