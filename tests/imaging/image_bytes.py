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


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


PASSES = ((0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2))
PASSES += ((0, 1, 1, 2),)


def png(
    values: npt.NDArray[np.unsignedinteger],
    *extra: bytes,
    interlaced: bool = False,
    behind: bytes = b"",
) -> bytes:
    """A PNG of (H, W, 1 to 4) samples of 8 or 16 bit, its rows filtered in all five ways in turn.

    extra: chunks before the pixels, behind: what stands between them and the end.
    """
    height, width, channels = values.shape
    depth = 8 * values.dtype.itemsize
    big = values.astype(values.dtype.newbyteorder(">"))
    parts = [big] if not interlaced else [big[y::dy, x::dx] for x, dx, y, dy in PASSES]
    raw = b"".join(_filtered(part, channels * depth // 8) for part in parts if part.size)
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    body = chunk(b"IHDR", head) + b"".join(extra) + chunk(b"IDAT", zlib.compress(raw))
    return b"\x89PNG\r\n\x1a\n" + body + behind + chunk(b"IEND", b"")


def _filtered(part: npt.NDArray[np.unsignedinteger], step: int) -> bytes:
    """ISO/IEC 15948, 9.2; step: bytes of a pixel."""
    rows = np.frombuffer(np.ascontiguousarray(part).tobytes(), np.uint8).reshape(len(part), -1)
    result, above = [], np.zeros(rows.shape[1], np.int64)
    for i, row in enumerate(rows.astype(np.int64)):
        left = np.concatenate([np.zeros(step, np.int64), row[:-step]])
        corner = np.concatenate([np.zeros(step, np.int64), above[:-step]])
        guess = left + above - corner
        a, b, c = abs(guess - left), abs(guess - above), abs(guess - corner)
        nearest = np.where((a <= b) & (a <= c), left, np.where(b <= c, above, corner))
        foretold = (0 * row, left, above, (left + above) // 2, nearest)[i % 5]
        result.append(bytes([i % 5]) + ((row - foretold) % 256).astype(np.uint8).tobytes())
        above = row
    return b"".join(result)


def tiff(
    values: npt.NDArray[np.generic],
    order: str = "<",
    *,
    big: bool = False,
    separate: bool = False,
    tile: tuple[int, int] | None = None,
    packed: bool = False,
    predictor: int = 1,
    tags: dict[int, list[int]] | None = None,
) -> bytes:
    """A TIFF of (H, W, samples), written without a library (TIFF 6.0; Technical Note 3).

    packed: deflated. predictor: 2 differences, 3 those of floats. tags: more, or others.
    """
    height, width, samples = values.shape
    rows, columns = tile or (max(1, height // 3), width)
    planes = [values[..., i : i + 1] for i in range(samples)] if separate else [values]
    pieces = [
        _piece(plane[y : y + rows, x : x + columns], (rows, columns), order, predictor, bool(tile))
        for plane in planes
        for y in range(0, height, rows)
        for x in range(0, width, columns)
    ]
    pieces = [zlib.compress(piece) for piece in pieces] if packed else pieces
    starts = np.cumsum([16, *map(len, pieces)]).tolist()
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    entries = {256: [width], 257: [height], 258: [8 * values.dtype.itemsize] * samples}
    entries |= {259: [8 if packed else 1], 262: [1 if samples < 3 else 2], 277: [samples]}
    entries |= {284: [2 if separate else 1], 317: [predictor], 339: [kind] * samples}
    places, sizes = starts[:-1], list(map(len, pieces))
    if tile:
        entries |= {322: [columns], 323: [rows], 324: places, 325: sizes}
    else:
        entries |= {273: places, 278: [rows], 279: sizes}
    return _with_directory(b"".join(pieces), entries | (tags or {}), order, big)


def _piece(
    part: npt.NDArray[np.generic], full: tuple[int, int], order: str, predictor: int, tiled: bool
) -> bytes:
    if tiled:
        short = [(0, f - s) for f, s in zip(full, part.shape, strict=False)]
        part = np.pad(part, [*short, (0, 0)])
    if predictor == 2:
        first = np.zeros_like(part[:, :1])
        part = np.diff(part, axis=1, prepend=first).astype(part.dtype)
    if predictor == 3:
        size, high, wide = part.dtype.itemsize, len(part), part.shape[2]
        flat = part.astype(part.dtype.newbyteorder(">")).reshape(high, -1)
        planes = np.moveaxis(flat.view(np.uint8).reshape(high, -1, size), 2, 1)
        steps = planes.reshape(high, -1, wide)
        return np.diff(steps, axis=1, prepend=np.zeros_like(steps[:, :1])).astype("u1").tobytes()
    return part.astype(part.dtype.newbyteorder(order)).tobytes()


def _with_directory(pixels: bytes, entries: dict[int, list[int]], order: str, big: bool) -> bytes:
    letters = b"II" if order == "<" else b"MM"
    word, inline = ("Q", 8) if big else ("I", 4)
    at = 16 + len(pixels)
    beyond_at = at + (8 if big else 2) + (20 if big else 12) * len(entries) + inline
    directory, beyond = struct.pack(order + ("Q" if big else "H"), len(entries)), b""
    for tag, values in sorted(entries.items()):
        body = struct.pack(f"{order}{len(values)}I", *values)
        directory += struct.pack(order + "HH" + word, tag, 4, len(values))
        if len(body) > inline:
            directory += struct.pack(order + word, beyond_at + len(beyond))
            beyond += body
        else:
            directory += body.ljust(inline, b"\0")
    start = struct.pack(order + "HHHQ", 43, 8, 0, at) if big else struct.pack(order + "HI", 42, at)
    return (letters + start).ljust(16, b"\0") + pixels + directory + bytes(inline) + beyond
