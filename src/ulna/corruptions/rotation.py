"""A limb laid crooked on the detector, or an image put crooked into the scanner."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ulna.types import Array


def rotate(pixels: Array, degrees: float) -> Array:
    """`pixels` (H, W) in [0, 1] turned about the middle, counter-clockwise, bilinear.

    The shape stays: corners that turn out are lost, those that turn in are 0, as the padding of
    the letterbox is.
    """
    if degrees == 0:
        return pixels
    turned = ndimage.rotate(pixels, degrees, reshape=False, order=1, mode="constant", cval=0.0)
    kept: Array = np.clip(turned, 0, 1).astype(np.float32)
    return kept
