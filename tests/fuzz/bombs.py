"""Small files that ask for gigabytes, for hours, or for a deep stack.

    python -m tests.fuzz.bombs

Tries each in this process, whose memory is bounded, and says what came of it as lines of JSON.
"""

from __future__ import annotations

import io
import json
import struct
import sys
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image
from tests.fuzz.images import dicom_films, limb
from tests.fuzz.trial import tried
from tests.fuzz.worker import fork_children, limit_memory

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _zeros(size: int, *, raw: bool) -> bytes:
    """`size` zero bytes deflated, without ever having them: one block, many times."""
    piece = 1 << 24
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(piece)) + packer.flush(zlib.Z_FULL_FLUSH)
    body = block * (size // piece) + zlib.compress(b"", wbits=-zlib.MAX_WBITS)
    return body if raw else b"\x78\xda" + body + bytes(4)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(width: int, height: int, depth: int, colour: int, extra: bytes = b"") -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = _zeros(width * height * depth // 8 * 4 + (1 << 24), raw=False)
    return _SIGNATURE + head + extra + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _data_set_start(image: bytes) -> int:
    return 144 + int.from_bytes(image[140:144], "little")


def _sides(image: bytes, rows: int, columns: int) -> bytes:
    """A DICOM image that says it is as large."""
    for tag, value in ((b"\x28\0\x10\0US\2\0", rows), (b"\x28\0\x11\0US\2\0", columns)):
        at = image.index(tag) + len(tag)
        image = image[:at] + struct.pack("<H", value) + image[at + 2 :]
    return image


def _nested(image: bytes, depth: int) -> bytes:
    start = _data_set_start(image)
    head = b"\x08\0\x40\x11SQ\0\0" + b"\xff" * 4 + b"\xfe\xff\0\xe0" + b"\xff" * 4
    tail = b"\xfe\xff\x0d\xe0" + bytes(4) + b"\xfe\xff\xdd\xe0" + bytes(4)
    return image[:start] + head * depth + tail * depth + image[start:]


def _deflated(images: dict[str, bytes]) -> bytes:
    image = images["made-deflated"]
    return image[: _data_set_start(image)] + _zeros(1_600_000_000, raw=True)


def _run_lengths(images: dict[str, bytes]) -> bytes:
    """One frame of a 2 MB segment of runs, each two bytes for 128, in an image of 72 x 56 px."""
    image = images["made-rle"]
    at = image.index(b"\xe0\x7f\x10\0OB\0\0") + 12
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\x07" * 1_000_000
    items = b"\xfe\xff\0\xe0" + bytes(4) + b"\xfe\xff\0\xe0" + struct.pack("<I", len(frame))
    return image[:at] + items + frame + b"\xfe\xff\xdd\xe0" + bytes(4)


def _jpeg(sides: tuple[int, int], copies: int = 1, **options: object) -> bytes:
    """A JPEG of `sides` (rows, columns) by its header, its last scan there `copies` times."""
    buffer = io.BytesIO()
    Image.fromarray(limb(64, 64, 255).astype(np.uint8)).save(buffer, "JPEG", **options)
    data = buffer.getvalue()
    frame = data.index(b"\xff\xc2" if options.get("progressive") else b"\xff\xc0")
    data = data[: frame + 5] + struct.pack(">HH", *sides) + data[frame + 9 :]
    scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + scan * (copies - 1) + data[-2:]


def _tiff(entries: dict[int, tuple[int, int]], beyond: bytes = b"", following: int = 0) -> bytes:
    """A little-endian TIFF of one directory; entries: tag to (count, value), all LONG."""
    directory = b"".join(struct.pack("<HHII", t, 4, n, v) for t, (n, v) in sorted(entries.items()))
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + directory + struct.pack("<I", following) + beyond


def _tiff_of(width: int, height: int, **more: tuple[int, int]) -> dict[int, tuple[int, int]]:
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 99}
    return {t: (1, v) for t, v in tags.items()} | {int(k[1:]): v for k, v in more.items()}


def _chain(pages: int) -> bytes:
    """Directories without end, each of one entry, that claims most of the file."""
    data = bytearray(b"II*\0" + struct.pack("<I", 8))
    for i in range(pages):
        data += struct.pack("<HHHIII", 1, 273, 4, pages * 4, 8, 8 + 18 * (i + 1))
    return bytes(data)


def bombs() -> dict[str, Callable[[], bytes]]:
    """Each by name; made when asked for."""
    images = dicom_films()
    plain, text = images["made-plain"], _chunk(b"zTXt", b"a\0\0" + _zeros(1 << 30, raw=False))
    zeros = _zeros(1 << 28, raw=False)
    return {
        "DICOM deflated to 1.6 GB": lambda: _deflated(images),
        "DICOM of 2 MB of runs": lambda: _run_lengths(images),
        "DICOM of 500 nested sequences": lambda: _nested(plain, 500),
        "DICOM of 200000 nested sequences": lambda: _nested(plain, 200_000),
        "DICOM of 65535 x 65535": lambda: _sides(plain, 65535, 65535),
        "DICOM of 8000 x 8000 without them": lambda: _sides(plain, 8000, 8000),
        "DICOM, RLE of 8000 x 8000": lambda: _sides(images["made-rle"], 8000, 8000),
        "DICOM, JPEG of 8000 x 8000": lambda: _sides(images["made-jpeg"], 8000, 8000),
        "DICOM, JPEG 2000 of 8000 x 8000": lambda: _sides(images["made-j2k"], 8000, 8000),
        "PNG of 13000 x 13000": lambda: _png(13000, 13000, 8, 0),
        "PNG of 8000 x 8000 in 64 bits": lambda: _png(8000, 8000, 16, 6),
        "PNG of 8000 x 8000": lambda: _png(8000, 8000, 8, 0),
        "PNG of 7200 x 7200 in colour": lambda: _png(7200, 7200, 8, 2),
        "PNG of 2147483647 x 16": lambda: _png(2**31 - 1, 16, 1, 0)[:99],
        "JPEG of 13000 x 13000": lambda: _jpeg((13000, 13000)),
        "JPEG of 65500 x 65500, cut short": lambda: _jpeg((65500, 65500))[:-300],
        "JPEG of 7900 x 7900 without data": lambda: _jpeg((7900, 7900)),
        "JPEG of 2000 scans": lambda: _jpeg((2000, 2000), 2000, progressive=True),
        "TIFF of 13000 x 13000": lambda: _tiff(_tiff_of(13000, 13000)),
        "TIFF of 8000 x 8000 without them": lambda: _tiff(_tiff_of(8000, 8000)),
        "TIFF of 65535 samples": lambda: _tiff(_tiff_of(4000, 4000, t277=(1, 65535))),
        "TIFF in a tile of 60000 x 60000": lambda: _tiff(
            _tiff_of(64, 64, t322=(1, 60000), t323=(1, 60000), t324=(1, 8), t325=(1, 99))
        ),
        "TIFF in 16 million strips": lambda: _tiff(
            _tiff_of(16, 1 << 22, t278=(1, 1), t273=(1 << 22, 8), t279=(1 << 22, 8)),
            bytes(1 << 24),
        ),
        "TIFF of 100000 directories": lambda: _chain(100_000),
        "TIFF, deflated, of too few": lambda: _tiff(
            _tiff_of(8000, 8000, t259=(1, 8), t258=(1, 16), t273=(1, 122), t279=(1, 5000)), zeros
        ),
        "PNG with 1 GB of text": lambda: _small_png(text),
    }


ANSWERED = (
    *("PNG with 1 GB of text", "DICOM of 2 MB of runs"),
    "PNG of 8000 x 8000",
)
"""What may be read: an image beside the bomb, and the largest image that there may be."""


def _small_png(extra: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(limb(64, 64, 255).astype(np.uint8)).save(buffer, "PNG")
    data = buffer.getvalue()
    return data[:33] + extra + data[33:]


def main() -> int:
    result = bombs()
    fork_children()
    limit_memory()
    faults = 0
    for name, make in result.items():
        data = make()
        trial = tried(data, "a bomb")
        faults += bool(trial.fault) or (trial.outcome == "answered" and name not in ANSWERED)
        print(json.dumps({"name": name, "bytes": len(data), **vars(trial)}), flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
