"""PNG, JPEG and TIFF to grey levels in [0, 1], through Pillow, with its traps avoided.

The traps: `convert("L")` clips 16-bit greys at 255; `Image.open` believes the name's list of
formats rather than the one expected; a header can promise more pixels than memory holds.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, TiffImagePlugin

from ulna.dicom.limits import MAX_PIXELS, MIN_SIDE
from ulna.errors import ImageError, ImageWarning
from ulna.imaging.foreign import colour_share
from ulna.imaging.signature import bmp_or_webp
from ulna.types import Array

_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
}
_UPRIGHT = 1
_TURNS = {
    _UPRIGHT: "upright",
    2: "mirrored",
    3: "upside down",
    4: "mirrored, upside down",
    5: "mirrored, a quarter turn",
    6: "a quarter turn",
    7: "mirrored, a quarter turn",
    8: "a quarter turn",
}
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601-7, 2.5.1


def raster_format(data: bytes) -> str:
    """'PNG', 'JPEG', 'TIFF', 'BMP' or 'WEBP' by the first bytes, '' for anything else."""
    found = next((name for magic, name in _MAGIC.items() if data.startswith(magic)), "")
    return found or bmp_or_webp(data)


def check_size(height: int, width: int, name: str) -> None:
    """ImageError unless both sides are at least MIN_SIDE and the product at most MAX_PIXELS."""
    if min(height, width) < MIN_SIDE:
        raise ImageError(
            f"{name}: {width} x {height} px is too small to be a radiograph: "
            f"expected at least {MIN_SIDE} px on each side"
        )
    if height * width > MAX_PIXELS:
        raise ImageError(
            f"{name}: {width} x {height} = {height * width} px: expected at most "
            f"{MAX_PIXELS} px; reduce the image first"
        )


def read_raster(data: bytes, name: str) -> Array:
    """The grey image (H, W) float32 in [0, 1] of a PNG, JPEG or TIFF file's bytes.

    As `read_raster_colour`, without the colour.
    """
    return read_raster_colour(data, name)[0]


def read_raster_colour(data: bytes, name: str) -> tuple[Array, float]:
    """The grey image (H, W) float32 in [0, 1] of a PNG, JPEG or TIFF file's bytes; its colour.

    The second is the share of pixels whose hue no tint explains (`foreign.colour_share`), 0 for
    grey files.
    Colour becomes luma (BT.601), alpha is laid on black (ImageWarning where it changes a
    pixel), of several frames the first is read (ImageWarning). 16-bit greys are divided by
    the smallest 2^n - 1 (n = 8 to 16) that holds their maximum, since 16-bit files mostly
    carry 10 to 14 bits. Pixels stay as they are stored: a tag that asks for a turn is ignored
    (ImageWarning), since boxes and masks are in the file's own pixels.
    Raises ImageError with `name` and the reason.
    """
    try:
        with Image.open(io.BytesIO(data), formats=(raster_format(data),)) as image:
            check_size(image.height, image.width, name)
            frames = int(getattr(image, "n_frames", 1))
            turn = _turn(image)
            image.load()
            pixels, colour = _stored_greys(image, name, turn), _colour(image)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"{name}: {error}: expected at most {MAX_PIXELS} px; reduce the image first"
        ) from None
    except Exception as error:  # decoders of damaged files raise some ten unrelated types
        raise ImageError(
            f"{name}: damaged or cut short {raster_format(data)} file ({error}): "
            "copy it again from its source"
        ) from None
    if frames > 1:
        warnings.warn(f"{name}: {frames} frames: only the first is read", ImageWarning, 3)
    if turn != _UPRIGHT:
        warnings.warn(
            f"{name}: its orientation tag says {turn} ({_TURNS[turn]}): read as stored, without "
            "the turn; boxes and masks are in the file's own pixels",
            ImageWarning,
            3,
        )
    return pixels, colour


def _stored_greys(image: Any, name: str, turn: int) -> Array:
    """(H, W) greys in [0, 1], black 0, as they lie in the file; turn: its orientation tag."""
    pixels = _grey(image, name)
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return pixels
    pixels = _black_is_zero(image, pixels)
    turned = ExifTags.Base.Orientation not in image.tag_v2  # Pillow takes it out when it turns
    return _as_stored(pixels, turn) if turned else pixels


def _turn(image: Any) -> int:
    """The orientation tag (TIFF 6.0, section 8; Exif 0x0112), 1 where it says nothing known."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damaged Exif is no fault of the pixels
        return _UPRIGHT
    return value if isinstance(value, int) and value in _TURNS else _UPRIGHT


def _as_stored(pixels: Array, turn: int) -> Array:
    """Undo the turn that Pillow gives a TIFF, and no other format, while it is loaded."""
    undo: dict[int, Callable[[Array], Array]] = {
        2: np.fliplr,
        3: lambda p: np.rot90(p, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda p: np.rot90(p, 1),
        7: lambda p: np.rot90(p, 2).T,
        8: lambda p: np.rot90(p, -1),
    }
    return np.ascontiguousarray(undo[turn](pixels)) if turn in undo else pixels


def _black_is_zero(image: Any, pixels: Array) -> Array:
    """WhiteIsZero (Photometric Interpretation 0): Pillow inverts up to 8 bit, not what is wider."""
    wide = image.mode in ("I", "F") or image.mode.startswith("I;16")
    white_is_zero = image.tag_v2.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0
    return (1 - pixels) if wide and white_is_zero else pixels


def _colour(image: Any) -> float:
    if image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I"):
        return 0.0
    return colour_share(np.asarray(image.convert("RGB"), dtype=np.float32))


def _grey(image: Any, name: str) -> Array:
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N"):
        return _from_uint16(np.asarray(image, dtype=np.uint16))
    if image.mode in ("I", "F"):
        return _from_wide(np.asarray(image), name)
    if image.mode == "1":
        return np.asarray(image, dtype=np.float32)
    if image.mode == "L" and "transparency" not in image.info:
        grey: Array = np.divide(np.asarray(image), np.float32(255), dtype=np.float32)
        return grey
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return _on_black(np.asarray(image.convert("RGBA"), dtype=np.float32), name)
    return _luma(np.asarray(image.convert("RGB"), dtype=np.float32))


def _luma(rgb: npt.NDArray[np.float32]) -> Array:
    grey: Array = np.clip((rgb @ _LUMA) / np.float32(255), 0, 1).astype(np.float32)
    return grey


def _on_black(rgba: npt.NDArray[np.float32], name: str) -> Array:
    alpha = rgba[..., 3] / np.float32(255)
    grey = _luma(rgba[..., :3])
    if np.any((alpha < 1) & (grey > 0)):
        warnings.warn(
            f"{name}: transparent pixels hide grey values: laid on black", ImageWarning, 5
        )
    return (grey * alpha).astype(np.float32)


def _from_uint16(values: npt.NDArray[np.uint16]) -> Array:
    bits = max(8, int(values.max()).bit_length())
    return (values / np.float32((1 << bits) - 1)).astype(np.float32)


def _from_wide(values: npt.NDArray[Any], name: str) -> Array:
    """32-bit greys: integers that fit 16 bit, or floats already in [0, 1]."""
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind in "iu" and low >= 0 and high <= 0xFFFF:
        return _from_uint16(values.astype(np.uint16))
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return values.astype(np.float32)
    raise ImageError(
        f"{name}: 32-bit pixels from {low:g} to {high:g}: expected 8 or 16 bit, "
        "or floats from 0 to 1; save it as a 16-bit PNG"
    )
