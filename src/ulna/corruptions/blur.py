"""Lost sharpness: a large focal spot, a moving patient, a thick screen, a soft scan."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ulna.types import Array


def blur(pixels: Array, sigma: float) -> Array:
    """Blur `pixels` (H, W) in [0, 1] by a Gaussian of standard deviation `sigma` px, >= 0.

    The outermost pixels are repeated beyond the border, so that no dark frame appears.
    """
    if sigma == 0:
        return pixels
    soft: Array = ndimage.gaussian_filter(pixels, sigma, mode="nearest")
    return np.clip(soft, 0, 1)
