"""What befalls PNG, JPEG and TIFF files: chunks with right checksums, segments, directories."""

from __future__ import annotations

import struct
import zlib
from random import Random

from tests.fuzz.damage import GENERAL, Damage, flip, nasty

_MAGIC = b"\x89PNG\r\n\x1a\n"
_KINDS = (b"tRNS", b"PLTE", b"sBIT", b"eXIf", b"acTL", b"fcTL", b"pHYs", b"iCCP", b"zTXt", b"gAMA")
_KINDS += (b"IDAT", b"IEND", b"IHDR", b"tEXt", b"quux")
_TAGS = (254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323)
_TAGS += (324, 325, 338, 339, 347, 530)


def _chunks(data: bytearray) -> list[tuple[bytes, bytes]]:
    result, at = [], 8
    while at + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + size > len(data):
            break
        result.append((kind, bytes(data[at + 8 : at + 8 + size])))
        at += 12 + size
    return result


def _joined(chunks: list[tuple[bytes, bytes]]) -> bytearray:
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    ]
    return bytearray(_MAGIC + b"".join(parts))


def chunk(data: bytearray, rng: Random) -> bytearray:
    """One chunk damaged, lost, doubled, moved or put in, its checksum right."""
    result = _chunks(data)
    if not result:
        return data
    i, what = rng.randrange(len(result)), rng.randrange(6)
    kind, body = result[i]
    if what == 0:
        result[i] = (kind, bytes(rng.choice(GENERAL)(bytearray(body or b"\0"), rng)))
    elif what == 1:
        del result[i]
    elif what == 2:
        result.insert(rng.randrange(len(result) + 1), result[i])
    elif what == 3:
        result[i] = (rng.choice(_KINDS), body)
    else:
        result.insert(i, (rng.choice(_KINDS), rng.randbytes(rng.choice((0, 1, 2, 6, 9, 13, 40)))))
    return _joined(result)


def png_header(data: bytearray, rng: Random) -> bytearray:
    """IHDR's fields, its checksum right."""
    result = _chunks(data)
    if result and result[0][0] == b"IHDR" and len(result[0][1]) == 13:
        head = bytearray(result[0][1])
        if rng.random() < 0.5:
            at = rng.choice((0, 4))
            head[at : at + 4] = struct.pack(
                ">I", rng.choice((16, 17, 57, 1000, 7999, 13000, 2**31))
            )
        else:
            head[8], head[9] = rng.choice((1, 2, 4, 8, 16)), rng.choice((0, 2, 3, 4, 6))
            head[12] = rng.choice((0, 1))
        result[0] = (b"IHDR", bytes(head))
    return _joined(result)


def png_rows(data: bytearray, rng: Random) -> bytearray:
    """The rows before packing: filters, samples, too few, too many."""
    result = _chunks(data)
    try:
        raw = bytearray(zlib.decompress(b"".join(body for kind, body in result if kind == b"IDAT")))
    except zlib.error:
        return data
    raw = rng.choice(GENERAL)(raw or bytearray(b"\0"), rng)
    kept = [(k, b) for k, b in result if k not in (b"IDAT", b"IEND")]
    return _joined([*kept, (b"IDAT", zlib.compress(bytes(raw))), (b"IEND", b"")])


def _segments(data: bytearray) -> list[tuple[int, int]]:
    """(start, size with marker) of the segments before and between the scans."""
    result, at = [], 2
    while at + 4 <= len(data):
        if data[at] != 0xFF or data[at + 1] in (0, 0xFF) or 0xD0 <= data[at + 1] <= 0xD9:
            at += 1
            continue
        size = 2 + struct.unpack_from(">H", data, at + 2)[0]
        result.append((at, size))
        at += size
    return result


def segment(data: bytearray, rng: Random) -> bytearray:
    """One segment damaged, lost, doubled, of another kind or length."""
    result = _segments(data)
    if not result:
        return data
    (at, size), what = rng.choice(result), rng.randrange(6)
    if what == 0:
        body = rng.choice(GENERAL)(data[at + 4 : at + size] or bytearray(b"\0"), rng)
        data[at + 2 : at + size] = struct.pack(">H", (len(body) + 2) & 0xFFFF) + body
    elif what == 1:
        del data[at : at + size]
    elif what == 2:
        data[at:at] = data[at : at + size]
    elif what == 3:
        data[at + 1] = rng.choice(
            (0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC9, 0xDA, 0xDB, 0xDD, 0xE0, 0xE1)
        )
    elif what == 4:
        data[at + 2 : at + 4] = nasty(rng, 2, "big")
    else:
        data[at:at] = bytes(
            (0xFF, rng.choice((0xD0, 0xD8, 0xD9, 0xDC, 0xE2, 0xFE)))
        ) + rng.randbytes(6)
    return data


def frame(data: bytearray, rng: Random) -> bytearray:
    """The fields of SOF: precision, height, width, components, sampling."""
    for at, size in _segments(data):
        if data[at + 1] in (0xC0, 0xC1, 0xC2) and 10 <= size <= len(data) - at:
            if rng.random() < 0.6:
                side = at + rng.choice((5, 7))
                data[side : side + 2] = struct.pack(">H", rng.choice((0, 16, 57, 999, 8000, 65500)))
            else:
                data[at + rng.choice((4, *range(9, size)))] = rng.choice(
                    (0, 1, 3, 4, 8, 0x11, 0x41)
                )
            return data
    return flip(data, rng)


def cut_scan(data: bytearray, rng: Random) -> bytearray:
    """Coded bits lost, the end marker there."""
    keep = rng.randrange(len(data) // 2, len(data))
    return data[:keep] + b"\xff\xd9"


def directory(data: bytearray, rng: Random) -> bytearray:
    """Entries of a TIFF's first directory: tag, type, count, value; the next directory."""
    order = "little" if data[:2] == b"II" else "big"
    at = int.from_bytes(data[4:8], order)  # type: ignore[arg-type]
    if not 8 <= at < len(data) - 2:
        return data
    count = int.from_bytes(data[at : at + 2], order)  # type: ignore[arg-type]
    for _ in range(rng.choice((1, 1, 2, 3))):
        entry = at + 2 + 12 * rng.randrange(max(1, min(count, 40)))
        what = rng.randrange(5)
        if what == 0:
            data[entry : entry + 2] = rng.choice(_TAGS).to_bytes(2, order)  # type: ignore[arg-type]
        elif what == 1:
            data[entry + 2 : entry + 4] = rng.randrange(20).to_bytes(2, order)  # type: ignore[arg-type]
        elif what == 2:
            data[entry + 4 : entry + 8] = nasty(rng, 4, order)
        elif what == 3:
            data[entry + 8 : entry + 12] = nasty(rng, 4, order)
        else:
            small = rng.choice((0, 1, 2, 3, 4, 5, 8, 12, 16, 32, 64, 8000)).to_bytes(2, order)  # type: ignore[arg-type]
            data[entry + 8 : entry + 12] = small + small if rng.random() < 0.3 else small + b"\0\0"
    if rng.random() < 0.1:
        data[at + 2 + 12 * count : at + 6 + 12 * count] = rng.choice((at, 8, 4)).to_bytes(4, order)  # type: ignore[arg-type]
    return data


PNG: tuple[Damage, ...] = (chunk, chunk, png_header, png_rows, png_rows)
JPEG: tuple[Damage, ...] = (segment, segment, frame, cut_scan)
TIFF: tuple[Damage, ...] = (directory, directory, directory)
