"""Convert stored samples (grey, RGB, alpha) to greys in [0, 1], in bands of rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ulna.errors import ImageError, ImageWarning
from ulna.imaging.non_radiograph import share_of_colour
from ulna.types import Array

Values = npt.NDArray[Any]
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601-7, 2.5.1
_BAND_PIXELS = 1 << 20
# Number of pixels that are checked for colour; a share needs no more.
_COLOUR_PIXELS = 1 << 21


@dataclass(frozen=True, eq=False)
class Samples:
    """The stored samples of one picture.

    shape: (H, W). channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. band(start, stop): rows as
    (rows, W, channels), or (rows, W) for one channel. white, opaque: sample values of full
    brightness and full alpha. shift: number of unused bits below the significant ones.
    """

    shape: tuple[int, int]
    channels: int
    band: Callable[[int, int], Values]
    white: float = 255
    opaque: float = 255
    shift: int = 0
    inverted: bool = False


@dataclass(frozen=True, eq=False)
class Picture:
    """The contents of one file: its samples, and properties that may need a warning.

    frames: number of pictures, of which number `frame` was read. turn: orientation tag (TIFF 6.0,
    section 8). density: pixels per length, across and down, in the same unit. notes: repairs.
    """

    samples: Samples
    frames: int = 1
    frame: int = 1
    turn: int = 1
    density: tuple[float, float] = (1.0, 1.0)
    notes: tuple[str, ...] = field(default=())


def damaged(kind: str, name: str, reason: str) -> ImageError:
    """Return the error for a file of a `kind` ('PNG', ...) that cannot be read."""
    return ImageError(
        f"{name}: damaged or cut short {kind} file ({reason}): copy it again from its source"
    )


def from_image(image: Any, shift: int = 0) -> Samples:
    """Return the samples of a loaded Pillow image of up to 8 bits in any mode."""
    mode = image.mode
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        mode = "LA" if mode in ("LA", "La") else "RGBA"
    elif mode not in ("1", "L"):
        mode = "RGB"

    def band(start: int, stop: int) -> Values:
        part = image.crop((0, start, image.width, stop))
        part.info = image.info
        return np.asarray(part if part.mode == mode else part.convert(mode))

    white = 1 if mode == "1" else ((1 << 8) - 1) >> shift
    channels = {"1": 1, "L": 1, "LA": 2, "RGB": 3, "RGBA": 4}[mode]
    return Samples((image.height, image.width), channels, band, white, 255, shift)


def from_values(
    values: Values, name: str, bits: int = 0, transparent: Values | None = None
) -> Samples:
    """Return the samples in `values`, (H, W) or (H, W, channels) of integers or floats in [0, 1].

    bits: number of significant bits; 0 to take the smallest (8 to 16) that holds the maximum, since
    16-bit files mostly use 10 to 14 bits. transparent: the transparent colour, (1,) or (3,). Raises
    ImageError for values below 0 or beyond 16 bits.
    """
    values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    channels = 1 if values.ndim == 2 else values.shape[2]
    colours = values if channels in (1, 3) else values[..., : channels - 1]
    white = _white(colours, name, bits)
    opaque = white if values.dtype.kind == "f" else _opaque(values, channels, int(white))
    shape = (values.shape[0], values.shape[1])
    if transparent is None:
        return Samples(shape, channels, lambda a, b: values[a:b], white, opaque)

    def masked(start: int, stop: int) -> Values:
        part = values[start:stop].reshape(stop - start, shape[1], channels)
        seen = np.any(part != transparent, axis=2, keepdims=True)
        return np.concatenate([part, (seen * int(white)).astype(part.dtype)], axis=2)

    return Samples(shape, channels + 1, masked, white, white)


def _white(colours: Values, name: str, bits: int) -> float:
    low, high = float(colours.min()), float(colours.max())
    if colours.dtype.kind == "f" and not (low >= 0 and high <= 1):  # also true for nan
        raise ImageError(
            f"{name}: {8 * colours.dtype.itemsize}-bit pixels from {low:g} to {high:g}, floats: "
            "expected 0 to 1; save it as a 16-bit PNG"
        )
    if colours.dtype.kind == "f":
        return 1
    if low < 0 or high > 0xFFFF:
        raise ImageError(
            f"{name}: {8 * colours.dtype.itemsize}-bit pixels from {low:g} to {high:g}: expected 0 "
            "to 65535, or floats from 0 to 1; save it as a 16-bit PNG"
        )
    return float((1 << (bits or max(8, int(high).bit_length()))) - 1)


def _opaque(values: Values, channels: int, white: int) -> float:
    """Alpha of an opaque pixel: the largest of the type, or white if that is the maximum."""
    full = int(np.iinfo(values.dtype).max)
    if channels not in (2, 4):
        return full
    return white if int(values[..., -1].max()) == white else full


def greys(samples: Samples, name: str) -> tuple[Array, float]:
    """Return (H, W) float32 greys in [0, 1], black 0, and the share of coloured pixels.

    Colour is converted to luma (BT.601). Alpha is composited on black, with an ImageWarning where
    that hides a grey.
    """
    height, width = samples.shape
    grey = np.empty((height, width), np.float32)
    step = max(2, int(np.ceil(np.sqrt(height * width / _COLOUR_PIXELS))))
    rows = step * max(1, _BAND_PIXELS // (step * width))
    seen, hidden = [], False
    for start in range(0, height, rows):
        place = slice(start, min(start + rows, height))
        band = samples.band(place.start, place.stop)
        colour = band if samples.channels in (1, 3) else band[..., : samples.channels - 1]
        if samples.shift:
            colour = colour >> samples.shift
        if samples.channels >= 3:
            seen.append(colour[::step, ::step] * np.float32(255 / samples.white))
        level = _level(colour, samples)
        if samples.channels in (2, 4):
            alpha = band[..., -1].astype(np.float32) / np.float32(samples.opaque)
            hidden = hidden or bool(np.any((alpha < 1) & (level > 0)))
            level = level * np.minimum(alpha, 1)
        grey[place] = 1 - level if samples.inverted else level
    if hidden:
        warnings.warn(
            f"{name}: transparent pixels hide grey values: laid on black", ImageWarning, 2
        )
    return grey, share_of_colour(np.concatenate(seen)) if seen else 0.0


def _level(colour: Values, samples: Samples) -> Array:
    white = np.float32(samples.white)
    if samples.channels < 3:
        single = colour[..., 0] if colour.ndim == 3 else colour
        return np.divide(single, white, dtype=np.float32)
    luma: Array = np.clip((colour.astype(np.float32) @ _LUMA) / white, 0, 1).astype(np.float32)
    return luma
