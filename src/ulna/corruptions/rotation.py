"""A limb that lies askew on the detector, or an image that was scanned askew."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ulna.types import Array


def rotate(pixels: Array, degrees: float) -> Array:
    """Rotate `pixels` (H, W) in [0, 1] about the middle, counter-clockwise, bilinearly.

    The shape stays: corners that leave the field are lost, and those that enter are 0, like the
    padding of the letterbox.
    """
    if degrees == 0:
        return pixels
    turned = ndimage.rotate(pixels, degrees, reshape=False, order=1, mode="constant", cval=0.0)
    kept: Array = np.clip(turned, 0, 1).astype(np.float32)
    return kept
