"""An additional lead letter, which a network may mistake for a sign of the label."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ulna.types import Array

_MARGIN = 0.02


def add_marker(pixels: Array, share: float, letter: str, corner: tuple[bool, bool]) -> Array:
    """Write a white `letter` near a corner of `pixels` (H, W) in [0, 1].

    share: height of the letter as a share of the longest side, in [0, 1]; 0 adds nothing. corner:
    (right, bottom). Lead absorbs everything, so the letter is 1; it may cover anatomy.
    """
    height, width = pixels.shape
    size = round(share * max(height, width))
    if size == 0:
        return pixels
    # A capital is about 0.73 of its font's size high.
    font = ImageFont.load_default(size=size / 0.73)
    left, top, right, bottom = font.getbbox(letter)
    margin = _MARGIN * max(height, width)
    x = width - margin - right if corner[0] else margin - left
    y = height - margin - bottom if corner[1] else margin - top
    picture = Image.new("L", (width, height))
    ImageDraw.Draw(picture).text((x, y), letter, fill=255, font=font)
    lead = np.asarray(picture, dtype=np.float32) / np.float32(255)
    marked: Array = np.maximum(pixels, lead)
    return marked
