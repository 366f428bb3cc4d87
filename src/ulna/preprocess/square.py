"""Percentile stretch, letterbox, normalisation.

`prepare` is `normalise` of `letterbox_uint8`, bit for bit: the training cache stores the 8-bit
square, and prediction uses the same 8 bits, so both have the same input.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ulna.config.input_spec import InputSpec
from ulna.errors import ImageError
from ulna.imaging.geometry import Part, Placement, letterbox
from ulna.imaging.quantiles import percentile_pair
from ulna.preprocess.borders import picture_part
from ulna.preprocess.contrast import local_contrast
from ulna.types import Array, Radiograph

# Version of the output of `letterbox_uint8`. Raise it with every change of the pixels, so that
# cached images are decoded again; tests/preprocess compares some pixels.
PIXELS_VERSION = 1
_PERCENTILE_PIXELS = 1 << 20


def letterbox_uint8(
    radiograph: Radiograph, spec: InputSpec
) -> tuple[npt.NDArray[np.uint8], Placement]:
    """Return the radiograph, stretched between two of its percentiles, in a square.

    The square is (S, S) uint8; 0 and 255 are the spec's low and high percentile, and the padding is
    0. Its placement is returned too. A constant image becomes 0 everywhere. With local contrast,
    the stretched image is normalised by its neighbourhoods. With `trim_borders`, square and
    percentiles are those of `picture_part`.
    """
    part = picture_part(radiograph.pixels) if spec.trim_borders else None
    low, high = _percentiles(_cut(radiograph.pixels, part), spec)
    if high <= low:
        stretched = np.zeros_like(radiograph.pixels)
    else:
        stretched = radiograph.pixels - low
        stretched /= high - low
        np.clip(stretched, 0, 1, out=stretched)
    square, placement = letterbox(stretched, spec.size, part)
    if spec.local_contrast:
        square = local_contrast(square, _image(placement), spec.local_contrast)
    return np.rint(np.clip(square, 0, 1) * 255).astype(np.uint8), placement


def _cut(pixels: Array, part: Part | None) -> Array:
    if part is None:
        return pixels
    x, y, width, height = part
    return pixels[y : y + height, x : x + width]


def _image(placement: Placement) -> npt.NDArray[np.bool_]:
    """Return (S, S) whether the centre of a pixel of the square lies on the image."""
    (_, _, width, height), (left, top) = placement.shown, placement.padding
    centre = (np.arange(placement.size) + 0.5) * placement.side / placement.size
    rows = (centre > top) & (centre < top + height)
    columns = (centre > left) & (centre < left + width)
    return rows[:, None] & columns


def normalise(pixels: npt.NDArray[np.uint8] | npt.NDArray[np.floating], spec: InputSpec) -> Array:
    """Return (x - mean) / std as float32 of (..., S, S) uint8 of 0 to 255, or floats of 0 to 1.

    Raises ImageError for another type of array, whose range would be a guess.
    """
    if pixels.dtype == np.uint8:
        scaled = pixels.astype(np.float32) / np.float32(255)
    elif np.issubdtype(pixels.dtype, np.floating):
        scaled = pixels.astype(np.float32)
    else:
        raise ImageError(f"pixels of type {pixels.dtype}: expected uint8 or floats in [0, 1]")
    return (scaled - np.float32(spec.mean)) / np.float32(spec.std)


def prepare(radiograph: Radiograph, spec: InputSpec) -> tuple[Array, Placement]:
    """Return the radiograph as a network's input, (1, S, S) float32, and its placement."""
    square, placement = letterbox_uint8(radiograph, spec)
    return normalise(square[None], spec), placement


def _percentiles(pixels: Array, spec: InputSpec) -> tuple[float, float]:
    # Every k-th pixel of a large image: much faster, and equal to well under a grey level.
    step = max(1, int(np.ceil(np.sqrt(pixels.size / _PERCENTILE_PIXELS))))
    return percentile_pair(pixels[::step, ::step], spec.low_percentile, spec.high_percentile)
