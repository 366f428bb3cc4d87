"""A field too small: collimation or scan that cuts off a part of the limb."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ulna.types import Array


def crop(pixels: Array, share: float, place: tuple[float, float]) -> Array:
    """A window of `pixels` (H, W) in [0, 1], enlarged to (H, W) again, bilinear.

    share: of each side that is cut off, in [0, 1). place: (x, y) of the window in the room that
    this leaves, each in [0, 1]; (0.5, 0.5) is the middle. The enlargement is what the letterbox
    does to a smaller image. A finding may be cut off: its study keeps its label.
    """
    height, width = pixels.shape
    left, top = share * width * place[0], share * height * place[1]
    box = (left, top, left + (1 - share) * width, top + (1 - share) * height)
    window = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.clip(np.asarray(window, dtype=np.float32), 0, 1)
