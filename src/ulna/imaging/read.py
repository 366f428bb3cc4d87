"""Read an image file or upload as a `Radiograph`; the format is detected by the first bytes."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from ulna.dicom.signature import looks_like_dicom
from ulna.errors import ImageError, ImageWarning
from ulna.imaging.raster import raster_format, read_raster_colour
from ulna.imaging.signature import bmp_or_webp
from ulna.types import Radiograph

MAX_BYTES = 512 * 2**20
"""Largest file read, in bytes; a radiograph of 64 million 16-bit pixels needs 128 MB."""
_OTHER_FILES = {
    b"GIF8": "a GIF picture",
    b"\x00\x00\x00\x0cjP  ": "a JPEG 2000 picture",
    b"\xff\x4f\xff\x51": "a JPEG 2000 codestream",
    b"\x00\x00\x00\x0cJXL ": "a JPEG XL picture",
    b"\xff\x0a": "a JPEG XL picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive, to be unpacked first",
    b"\x1f\x8b": "a packed file (gzip), to be unpacked first",
}


def read_radiograph(source: Path | str | bytes, name: str = "") -> Radiograph:
    """Read the radiograph in a file, or in a file's bytes, which messages call `name`.

    Formats: PNG and TIFF of 1 to 16 bits (grey, palette or colour, with or without alpha), TIFF of
    32 bits whose values fit into 16 or of floats from 0 to 1, JPEG (grey, colour, CMYK) and DICOM.
    Returns pixels (H, W) float32 in [0, 1], bright where dense for radiographs as usually stored.
    Raises ImageError (DicomError for DICOM) with the file and the reason if it is no usable
    radiograph. Warns with ImageWarning if something was repaired or ignored, and if all pixels are
    equal.
    """
    if isinstance(source, bytes):
        data, label = source, name or f"{len(source)} bytes"
    else:
        data, label = _load(Path(source)), str(source)
    if not data:
        raise ImageError(f"{label}: the file is empty (0 bytes): copy it again from its source")
    if looks_like_dicom(data):
        from ulna.dicom.read import read_dicom  # pydicom takes a third of a second to import

        radiograph = read_dicom(data, label)
    elif raster_format(data):
        pixels, colour = read_raster_colour(data, label)
        radiograph = Radiograph(pixels, source=label, colour=colour)
    else:
        raise ImageError(
            f"{label}: {_describe_contents(data)}: expected a PNG, JPEG, TIFF or DICOM file "
            "(the name's ending does not matter, the contents do)"
        )
    low, high = float(radiograph.pixels.min()), float(radiograph.pixels.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageError(f"{label}: holds pixels that are not numbers: expected finite values")
    if low == high:
        warnings.warn(f"{label}: all pixels are equal: it shows nothing", ImageWarning, 2)
    return radiograph


def _describe_contents(data: bytes) -> str:
    """Describe a file of an unsupported format by its first bytes."""
    if other := bmp_or_webp(data):
        return f"is a {other} picture"
    for magic, kind in _OTHER_FILES.items():
        if data.startswith(magic):
            return f"is {kind}"
    return f"begins with {data[:8]!r}"


def _load(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise ImageError(f"{path}: {_describe_path(path)}: expected the path of an image file")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ImageError(f"{path}: {size} bytes: expected at most {MAX_BYTES}")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be read: {error}") from None


def _describe_path(path: Path) -> str:
    if path.is_dir():
        return "a folder"
    if path.exists():
        return "a device or pipe"
    return "a link to nothing, or to itself" if path.is_symlink() else "no such file"
