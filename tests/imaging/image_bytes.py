"""Image files made in memory."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
from PIL import Image


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of `image` as a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def ramp(height: int = 24, width: int = 32) -> npt.NDArray[np.uint8]:
    """(H, W) uint8 from 0 to 255."""
    return np.linspace(0, 255, height * width).reshape(height, width).round().astype(np.uint8)


def png_header(width: int, height: int, depth: int = 8) -> bytes:
    """A PNG that promises width x height grey pixels and holds a few of them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def png16(values: npt.NDArray[np.uint16]) -> bytes:
    """A 16-bit grey PNG, written without Pillow so that reading is not checked by itself."""
    height, width = values.shape
    rows = b"".join(b"\x00" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    head = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def grey_tiff(values: npt.NDArray[np.unsignedinteger], photometric: int) -> bytes:
    """An uncompressed grey TIFF, little endian, written without Pillow (TIFF 6.0, section 4).

    photometric: 0 white is zero, 1 black is zero.
    """
    height, width = values.shape
    bits = 8 * values.dtype.itemsize
    entries = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 0}
    entries |= {277: 1, 278: height, 279: values.nbytes}
    pixels_at = 8 + 2 + 12 * len(entries) + 4
    entries[273] = pixels_at
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, v) for tag, v in entries.items())
    head = b"II*\x00" + struct.pack("<IH", 8, len(entries))
    return head + directory + bytes(4) + values.astype(values.dtype.newbyteorder("<")).tobytes()
