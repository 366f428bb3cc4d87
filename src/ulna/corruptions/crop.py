"""A field that is too small: collimation or a scan cuts off a part of the limb."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ulna.types import Array


def crop(pixels: Array, share: float, place: tuple[float, float]) -> Array:
    """Crop `pixels` (H, W) in [0, 1] and enlarge the crop to (H, W) again, bilinearly.

    share: share of each side that is cut off, in [0, 1). place: (x, y) of the crop between the
    first and the last possible position, each in [0, 1]; (0.5, 0.5) is the middle. The enlargement
    is that of a smaller image by the letterbox. If a finding is cut off, its study keeps its label.
    """
    height, width = pixels.shape
    left, top = share * width * place[0], share * height * place[1]
    box = (left, top, left + (1 - share) * width, top + (1 - share) * height)
    cropped = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.clip(np.asarray(cropped, dtype=np.float32), 0, 1)
