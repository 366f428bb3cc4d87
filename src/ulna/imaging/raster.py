"""Read PNG, JPEG and TIFF as grey levels in [0, 1], without the pitfalls of Pillow.

These are: 16-bit colours and alpha lose their lower byte, some TIFF layouts are "not identified",
a TIFF is rotated by its orientation tag, damaged text or profiles make a picture unreadable, and a
header can promise more pixels than fit in memory. So headers are parsed here, and Pillow receives
only what decoding needs.
"""

from __future__ import annotations

import re
import struct
import warnings
import zlib
from collections.abc import Callable
from functools import partial

from ulna.dicom.limits import MAX_PIXELS, MIN_SIDE
from ulna.errors import ImageError, ImageWarning
from ulna.imaging import jpeg, png, tiff
from ulna.imaging.jpeg import read_jpeg
from ulna.imaging.png import read_png
from ulna.imaging.samples import Picture, greys
from ulna.imaging.tiff_picture import read_tiff
from ulna.types import Array

MAX_SAMPLE_BYTES = 2 * MAX_PIXELS
"""Largest picture, in bytes of its samples: that of the largest 16-bit greyscale picture. Reading
it takes up to 512 MB in addition to the file."""
_MAGIC = {png.MAGIC: "PNG", jpeg.MAGIC: "JPEG"} | dict.fromkeys(tiff.MAGIC, "TIFF")
_READERS: dict[str, Callable[..., Picture]] = {
    "PNG": read_png,
    "JPEG": read_jpeg,
    "TIFF": read_tiff,
}
_UPRIGHT = 1
_TURNS = {
    2: "mirrored",
    3: "upside down",
    4: "mirrored, upside down",
    5: "mirrored, a quarter turn",
    6: "a quarter turn",
    7: "mirrored, a quarter turn",
    8: "a quarter turn",
}
# Exceptions of decoders on damaged files; a defect of Ulna's code would raise others.
_OF_DAMAGE = (
    *(ArithmeticError, EOFError, LookupError, OSError, SyntaxError, TypeError, ValueError),
    *(struct.error, zlib.error),
)
# Parts of a decoder's message that mean nothing to a user: classes, objects and addresses.
_INNER = re.compile(r"<[^>]*>|\w*(?:Error|Exception)\b|0x[0-9a-f]+|\b__?\w+|\w+\(\)")


def raster_format(data: bytes) -> str:
    """Return 'PNG', 'JPEG' or 'TIFF' by the first bytes, '' for anything else."""
    return next((name for magic, name in _MAGIC.items() if data.startswith(magic)), "")


def check_size(height: int, width: int, name: str) -> None:
    """Raise ImageError for a side below MIN_SIDE, or more than MAX_PIXELS pixels."""
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


def read_raster_colour(data: bytes, name: str) -> tuple[Array, float]:
    """Read a PNG, JPEG or TIFF file's bytes: (H, W) float32 greys in [0, 1], and share of colour.

    The latter is the share of pixels whose hue no tint explains (`non_radiograph.share_of_colour`),
    0 for greyscale files. Colour is converted to luma (BT.601), and alpha is composited on black
    (ImageWarning where it changes a pixel). Of several frames, the first that is no thumbnail is
    read (ImageWarning). 16-bit samples are divided by the smallest 2^n - 1 (n = 8 to 16) that is
    not below their maximum, since 16-bit files mostly use 10 to 14 bits. An orientation tag is
    ignored (ImageWarning), since boxes and masks refer to the pixels as stored. Raises ImageError
    with `name` and the reason.
    """
    kind = raster_format(data)
    try:
        picture = _READERS[kind](data, name, partial(_check, name))
        pixels, colour = greys(picture.samples, name)
    except ImageError:
        raise
    except MemoryError:
        raise ImageError(
            f"{name}: needs more memory than is free: reduce the image first"
        ) from None
    except _OF_DAMAGE as error:
        raise ImageError(
            f"{name}: damaged or cut short {kind} file{_plain(error)}: copy it again from its "
            "source"
        ) from None
    for note in _notes(picture):
        warnings.warn(f"{name}: {note}", ImageWarning, 3)
    return pixels, colour


def _check(name: str, height: int, width: int, size: int) -> None:
    check_size(height, width, name)
    if size > MAX_SAMPLE_BYTES:
        raise ImageError(
            f"{name}: {width} x {height} px of {size} bytes in all: expected at most "
            f"{MAX_SAMPLE_BYTES} bytes; reduce the image first, or save it as a grey one"
        )


def _plain(error: Exception) -> str:
    """A decoder's message in brackets, '' where it is about the decoder's internals."""
    words = " ".join(str(error).split())[:200]
    return "" if not words or _INNER.search(words) else f" ({words})"


def _notes(picture: Picture) -> list[str]:
    notes = list(picture.notes)
    if picture.frames > 1:
        which = "the first" if picture.frame == 1 else f"number {picture.frame}, no thumbnail,"
        notes.append(f"{picture.frames} frames: only {which} is read")
    if picture.turn != _UPRIGHT:
        notes.append(
            f"its orientation tag says {picture.turn} ({_TURNS[picture.turn]}): read as stored, "
            "without the turn; boxes and masks are in the file's own pixels"
        )
    across, down = picture.density
    if min(across, down) > 0 and not 0.99 < across / down < 1.01:
        notes.append(
            f"its pixels are not square ({across:g} to {down:g} in one length, across and down): "
            "read as stored"
        )
    return notes
