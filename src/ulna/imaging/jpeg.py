"""JPEG: its segments, and whether every pixel is there.

libjpeg makes grey of what is missing and tells nobody. So a picture whose data may have ended early
is decoded again with other bits behind them: where every pixel is there, these change nothing.
Sections are those of ITU-T T.81.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from ulna.errors import ImageError
from ulna.imaging.samples import Picture, damaged, from_image
from ulna.imaging.tiff import directories, orientation

MAGIC = b"\xff\xd8\xff"
_END = b"\xff\xd9"
# SOF0 to SOF15 without DHT, JPG and DAC: table B.1.
_FRAMES = tuple(m for m in range(0xC0, 0xD0) if m not in (0xC4, 0xC8, 0xCC))
_PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
# What the pixels need besides: tables, restart interval, JFIF and Adobe's colours.
_RESTARTS = 0xDD
_KEPT = (0xC4, 0xCC, 0xDB, 0xDD, 0xE0, 0xEE)
# What ends a scan: no stuffed byte, no restart: B.1.1.5.
_SCAN_END = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_MOST_SCAN_PIXELS = 640_000_000
_BAND_PIXELS = 1 << 20
_PROBES = (b"\x55" * 64, b"\xaa" * 64)
# The segments that are looked into; other programs use the same markers.
_OTHER = {0xE0: b"JFIF\0", 0xE1: b"Exif\0\0", 0xE2: b"MPF\0"}
_PICTURES = 0xB001  # Number of Images: CIPA DC-007, 5.2.3


@dataclass(frozen=True)
class _Scan:
    """tables: the segments before it. head: the contents of its SOS. data: its coded bits.

    interval: after how many units of it a restart marker stands, 0 for none.
    """

    tables: bytes
    head: bytes
    data: bytes
    interval: int

    @property
    def components(self) -> tuple[int, ...]:
        return tuple(self.head[1 + 2 * i] for i in range(self.head[0]))


@dataclass
class _Segments:
    """kind, precision, height, width, sampling: those of the frame (SOF).

    sampling: (horizontal, vertical) of each component by its identifier.
    """

    kind: int = 0
    precision: int = 0
    height: int = 0
    width: int = 0
    sampling: dict[int, tuple[int, int]] = field(default_factory=dict)
    scans: list[_Scan] = field(default_factory=list)
    ended: bool = False
    other: dict[int, bytes] = field(default_factory=dict)

    @property
    def progressive(self) -> bool:
        return self.kind in _PROGRESSIVE


def read_jpeg(data: bytes, name: str, check: Callable[[int, int, int], None]) -> Picture:
    """The picture in a JPEG file's bytes; check(height, width, bytes of all samples) may refuse it.

    A missing end marker is noted where every pixel is there. Raises ImageError for what is
    damaged or cut short.
    """
    result = _segments(data, name)
    pixels = result.height * result.width
    # A progressive picture is held as coefficients of two bytes.
    check(
        result.height,
        result.width,
        pixels * len(result.sampling) * (2 if result.progressive else 1),
    )
    _check_scans(result, pixels, name)
    image = _decoded(result, b"")
    probes = _PROBES if not result.ended else _PROBES[:1]
    doubtful = not result.ended or len(result.scans) > 1 or _ends_grey(image)
    if doubtful and not all(_same(image, _decoded(result, bits)) for bits in probes):
        raise damaged("JPEG", name, "its data end before its last pixel")
    notes = () if result.ended else ("its end marker is missing: every pixel is there",)
    return Picture(
        from_image(image),
        frames=_pictures(result.other.get(0xE2, b"")),
        turn=orientation(result.other.get(0xE1, b"")),
        density=_density(result.other.get(0xE0, b"")),
        notes=notes,
    )


def _markers(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(marker, its segment's contents, the coded bits behind it if it begins a scan), from SOI."""
    place = 2
    while data[place : place + 1] == b"\xff":
        while data[place + 1 : place + 2] == b"\xff":
            place += 1
        marker = data[place + 1] if place + 1 < len(data) else 0
        if marker == 0xD9:
            yield marker, b"", b""
            return
        size = int.from_bytes(data[place + 2 : place + 4], "big")
        body = data[place + 4 : place + 2 + size]
        if marker < 0xC0 or size < 2 or len(body) < size - 2:
            return
        place += 2 + size
        behind = len(data)
        if marker == 0xDA and (end := _SCAN_END.search(data, place)):
            behind = end.start()
        scan = data[place:behind] if marker == 0xDA else b""
        place += len(scan)
        yield marker, body, scan


def _segments(data: bytes, name: str) -> _Segments:
    result, tables, interval = _Segments(), bytearray(), 0
    for marker, body, scan in _markers(data):
        if marker == 0xD9:
            result.ended = True
        elif marker == 0xDA and len(body) >= 4 and len(body) == 4 + 2 * body[0]:
            result.scans.append(_Scan(bytes(tables), body, scan, interval))
            tables.clear()
        elif marker in _FRAMES and len(body) >= 6:
            result.kind = marker
            result.precision, result.height, result.width = struct.unpack_from(">BHH", body)
            parts = [body[i : i + 2] for i in range(6, len(body) - 1, 3)]
            result.sampling = {part[0]: (part[1] >> 4, part[1] & 15) for part in parts}
            tables += _segment(marker, body)
        elif marker in _KEPT:
            interval = int.from_bytes(body[:2], "big") if marker == _RESTARTS else interval
            tables += _segment(marker, body)
        if marker in _OTHER and body.startswith(_OTHER[marker]):
            result.other.setdefault(marker, body.removeprefix(_OTHER[marker]))
    if not result.kind or not result.scans:
        raise damaged("JPEG", name, "it holds no picture")
    return result


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _check_scans(result: _Segments, pixels: int, name: str) -> None:
    """ImageError for what no decoder should begin with."""
    if result.precision != 8:
        raise ImageError(
            f"{name}: JPEG of {result.precision} bits: expected 8; save it as a 16-bit PNG"
        )
    if len(result.scans) * pixels > _MOST_SCAN_PIXELS and len(result.scans) > 4:
        raise ImageError(
            f"{name}: JPEG of {len(result.scans)} scans over {pixels} px: expected at most "
            f"{_MOST_SCAN_PIXELS} px in all: save it anew"
        )
    # Each block of 8 x 8 takes a code of one bit or more; where all its parts are in one scan, two.
    least = pixels // 64 // 8 * (1 if result.progressive else 2)
    if result.kind < 0xC8 and sum(len(scan.data) for scan in result.scans) < least:
        raise damaged("JPEG", name, "its data end before its last pixel")
    if result.progressive and not _complete(result):
        raise damaged("JPEG", name, "its last scans are missing")
    for scan in result.scans:
        units = _units(result, scan)
        if scan.interval and len(_RESTART.findall(scan.data)) < (units - 1) // scan.interval:
            raise damaged("JPEG", name, "stretches between its restart markers are missing")


def _units(result: _Segments, scan: _Scan) -> int:
    """How many units a scan codes: of 8 x 8 px of one component, or of all that it has: A.2."""
    most = [max((s[axis] for s in result.sampling.values()), default=1) for axis in (0, 1)]
    own = result.sampling.get(scan.components[0], (1, 1)) if len(scan.components) == 1 else most
    sides = zip((result.width, result.height), own, most, strict=True)
    across, down = (-(-side * part // (8 * largest)) for side, part, largest in sides)
    if len(scan.components) > 1:
        across, down = -(-across // most[0]), -(-down // most[1])
    return across * down


def _complete(result: _Segments) -> bool:
    """Whether the scans tell every bit of the first component: G.1.1.1."""
    left = [-1] * 64  # the lowest bit known of each coefficient; -1: none
    first = result.scans[0].components[:1]
    for scan in result.scans:
        if set(first) <= set(scan.components):
            start, end, low = scan.head[-3], min(scan.head[-2], 63), scan.head[-1] & 15
            left[start : end + 1] = [low] * max(0, end + 1 - start)
    return not any(left)


def _decoded(result: _Segments, bits: bytes) -> Any:
    """Pillow's image, with `bits` behind the data of each scan."""
    parts = [MAGIC[:2]]
    for scan in result.scans:
        parts += [scan.tables, _segment(0xDA, scan.head), scan.data.rstrip(b"\xff"), bits]
    image = Image.open(io.BytesIO(b"".join([*parts, _END])), formats=("JPEG",))
    image.load()
    return image


def _same(image: Any, other: Any) -> bool:
    """Compared a band of rows at a time: neither is copied whole."""
    rows = max(1, _BAND_PIXELS // image.width)
    boxes = [(0, y, image.width, min(y + rows, image.height)) for y in range(0, image.height, rows)]
    return all(image.crop(box).tobytes() == other.crop(box).tobytes() for box in boxes)


def _ends_grey(image: Any) -> bool:
    """Whether the last block is of the one grey that libjpeg makes of what is missing."""
    left, top = (image.width - 1) // 8 * 8, (image.height - 1) // 8 * 8
    block = np.asarray(image.crop((left, top, image.width, image.height))).astype(np.int16)
    return bool((np.abs(block - 128) <= 1).all())


def _pictures(body: bytes) -> int:
    result = directories(body, (_PICTURES,)) if body else []
    return max(1, result[0].number(_PICTURES, 1)) if result else 1


def _density(body: bytes) -> tuple[float, float]:
    """JFIF 1.02, page 5: version, units, density across and down."""
    if len(body) < 7:
        return 1.0, 1.0
    across, down = struct.unpack_from(">HH", body, 3)
    return float(across), float(down)
