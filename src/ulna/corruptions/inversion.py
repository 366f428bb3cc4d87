"""The wrong polarity: air bright and bone dark, as a missing MONOCHROME1 or a negative gives."""

from __future__ import annotations

import numpy as np

from ulna.types import Array


def invert(pixels: Array) -> Array:
    """`pixels` (H, W) in [0, 1] with dark and bright exchanged; twice is no change."""
    return np.float32(1) - pixels
