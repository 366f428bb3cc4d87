"""PNG, JPEG and TIFF to grey levels in [0, 1], with Pillow's traps avoided.

The traps: 16-bit colours and alphas lose their lower byte; layouts of TIFF that it does not know
are "not identified"; a TIFF is turned by its tag; text and profiles that are damaged cost the
picture; a header can promise more pixels than memory holds. So headers are read here, and Pillow
sees only what the pixels need.
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
"""Largest picture, in bytes of its samples: the largest grey one of 16 bit. Reading it takes up to
512 MB besides the file."""
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
# What decoders of damaged files raise; a defect of the code around them is none of these.
_OF_DAMAGE = (
    *(ArithmeticError, EOFError, LookupError, OSError, SyntaxError, TypeError, ValueError),
    *(struct.error, zlib.error),
)
# What a decoder says that means nothing to a reader: classes, objects and their addresses.
_INNER = re.compile(r"<[^>]*>|\w*(?:Error|Exception)\b|0x[0-9a-f]+|\b__?\w+|\w+\(\)")


def raster_format(data: bytes) -> str:
    """'PNG', 'JPEG' or 'TIFF' by the first bytes, '' for anything else."""
    return next((name for magic, name in _MAGIC.items() if data.startswith(magic)), "")


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


def read_raster_colour(data: bytes, name: str) -> tuple[Array, float]:
    """The grey image (H, W) float32 in [0, 1] of a PNG, JPEG or TIFF file's bytes; its colour.

    The second is the share of pixels whose hue no tint explains (`non_radiograph.share_of_colour`),
    0 for grey files. Colour becomes luma (BT.601), alpha is laid on black (ImageWarning where it
    changes a pixel), of several frames the first that is no thumbnail is read (ImageWarning).
    Samples of 16 bit, grey or colour, are divided by the smallest 2^n - 1 (n = 8 to 16) that holds
    their maximum, since 16-bit files mostly carry 10 to 14 bits. Pixels stay as they are stored: a
    tag that asks for a turn is ignored (ImageWarning), since boxes and masks are in the file's own
    pixels. Raises ImageError with `name` and the reason.
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
    """A decoder's words in brackets, '' where they are about its own insides."""
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
