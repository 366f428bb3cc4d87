"""Wrong grey levels: another display curve, saturated dense parts, or inverted polarity."""

from __future__ import annotations

import numpy as np

from ulna.types import Array


def change_gamma(pixels: Array, gamma: float) -> Array:
    """Raise `pixels` (H, W) in [0, 1] to the power of `gamma` > 0.

    Above 1 thin parts and soft tissue turn black, as in an image exposed or displayed too dark.
    Greys are compressed and none is clipped. 1 changes nothing.
    """
    return np.power(pixels, np.float32(gamma)).astype(np.float32)


def change_gain(pixels: Array, gain: float) -> Array:
    """Multiply `pixels` (H, W) in [0, 1] by `gain` >= 1 and clip at 1.

    All greys above 1 / gain become white: dense bone is saturated, as in an underexposed image or
    in a VOI window that is too narrow, and no later stretch recovers it. 1 changes nothing.
    """
    clipped: Array = np.minimum(pixels * np.float32(gain), np.float32(1))
    return clipped


def invert(pixels: Array) -> Array:
    """Exchange dark and bright of `pixels` (H, W) in [0, 1], as a missing MONOCHROME1 does."""
    return np.float32(1) - pixels
