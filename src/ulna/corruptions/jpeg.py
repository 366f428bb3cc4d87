"""Lossy storage: JPEG compression of low quality."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from ulna.types import Array


def compress_jpeg(pixels: Array, quality: int) -> Array:
    """Compress `pixels` (H, W) in [0, 1] in 8 bits by Pillow's JPEG, and decode them.

    quality: 1 to 95 on libjpeg's scale (ITU-T T.81 tables). Blocks are 8 x 8 source pixels.
    """
    buffer = io.BytesIO()
    grey = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    Image.fromarray(grey).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return np.asarray(image, dtype=np.float32) / np.float32(255)
