"""Grey levels that come out wrong: another display curve, or dense parts burnt out."""

from __future__ import annotations

import numpy as np

from ulna.types import Array


def change_gamma(pixels: Array, gamma: float) -> Array:
    """`pixels` (H, W) in [0, 1] to the power of `gamma` > 0.

    Above 1 thin parts and soft tissue sink into black, as on an image exposed or displayed too
    dark; nothing is cut, only squeezed. 1 changes nothing.
    """
    return np.power(pixels, np.float32(gamma)).astype(np.float32)


def change_gain(pixels: Array, gain: float) -> Array:
    """`pixels` (H, W) in [0, 1] times `gain` >= 1, cut at 1.

    What lies above 1 / gain becomes the same white: dense bone is burnt out, as on an
    underexposed image or in a display window that is too narrow, and no later stretch brings it
    back. 1 changes nothing.
    """
    cut: Array = np.minimum(pixels * np.float32(gain), np.float32(1))
    return cut
