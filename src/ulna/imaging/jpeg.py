"""Reading JPEG, with a check that no pixel is missing.

libjpeg silently fills missing data with grey. So a picture whose data may be truncated is decoded
again with other bits appended, which change nothing if every pixel is there.
Section numbers are those of ITU-T T.81.
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
# Further segments that decoding needs: tables, restart interval, JFIF, Adobe's colour transform.
_RESTARTS = 0xDD
_KEPT = (0xC4, 0xCC, 0xDB, 0xDD, 0xE0, 0xEE)
# A scan ends at a marker that is neither a stuffed byte nor a restart: B.1.1.5.
_SCAN_END = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_MOST_SCAN_PIXELS = 640_000_000
_BAND_PIXELS = 1 << 20
_PROBES = (b"\x55" * 64, b"\xaa" * 64)
# Application segments that are read, by their signatures: other programs use the same markers.
_OTHER = {0xE0: b"JFIF\0", 0xE1: b"Exif\0\0", 0xE2: b"MPF\0"}
_PICTURES = 0xB001  # Number of Images: CIPA DC-007, 5.2.3


@dataclass(frozen=True)
class _Scan:
    """tables: the segments before the scan. head: contents of its SOS segment. data: coded bits.

    interval: number of units between restart markers, 0 for none.
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
    """The segments of a file. kind (SOF marker), precision, height, width, sampling: of the frame.

    sampling: component identifier -> (horizontal, vertical) sampling factors.
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
    """Read a JPEG file's bytes; check(height, width, bytes of all samples) may raise ImageError.

    If only the end marker is missing, that is noted. Raises ImageError for a damaged or truncated
    file.
    """
    segments = _segments(data, name)
    pixels = segments.height * segments.width
    # Decoders hold a progressive picture as coefficients of two bytes.
    check(
        segments.height,
        segments.width,
        pixels * len(segments.sampling) * (2 if segments.progressive else 1),
    )
    _check_scans(segments, pixels, name)
    image = _decoded(segments, b"")
    probes = _PROBES if not segments.ended else _PROBES[:1]
    doubtful = not segments.ended or len(segments.scans) > 1 or _ends_grey(image)
    if doubtful and not all(_same(image, _decoded(segments, bits)) for bits in probes):
        raise damaged("JPEG", name, "its data end before its last pixel")
    notes = () if segments.ended else ("its end marker is missing: every pixel is there",)
    return Picture(
        from_image(image),
        frames=_pictures(segments.other.get(0xE2, b"")),
        turn=orientation(segments.other.get(0xE1, b"")),
        density=_density(segments.other.get(0xE0, b"")),
        notes=notes,
    )


def _markers(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield (marker, contents of its segment, coded bits that follow if it begins a scan)."""
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
    segments, tables, interval = _Segments(), bytearray(), 0
    for marker, body, scan in _markers(data):
        if marker == 0xD9:
            segments.ended = True
        elif marker == 0xDA and len(body) >= 4 and len(body) == 4 + 2 * body[0]:
            segments.scans.append(_Scan(bytes(tables), body, scan, interval))
            tables.clear()
        elif marker in _FRAMES and len(body) >= 6:
            segments.kind = marker
            segments.precision, segments.height, segments.width = struct.unpack_from(">BHH", body)
            parts = [body[i : i + 2] for i in range(6, len(body) - 1, 3)]
            segments.sampling = {part[0]: (part[1] >> 4, part[1] & 15) for part in parts}
            tables += _segment(marker, body)
        elif marker in _KEPT:
            interval = int.from_bytes(body[:2], "big") if marker == _RESTARTS else interval
            tables += _segment(marker, body)
        if marker in _OTHER and body.startswith(_OTHER[marker]):
            segments.other.setdefault(marker, body.removeprefix(_OTHER[marker]))
    if not segments.kind or not segments.scans:
        raise damaged("JPEG", name, "it holds no picture")
    return segments


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _check_scans(segments: _Segments, pixels: int, name: str) -> None:
    """Raise ImageError for files that should not be decoded at all."""
    if segments.precision != 8:
        raise ImageError(
            f"{name}: JPEG of {segments.precision} bits: expected 8; save it as a 16-bit PNG"
        )
    if len(segments.scans) * pixels > _MOST_SCAN_PIXELS and len(segments.scans) > 4:
        raise ImageError(
            f"{name}: JPEG of {len(segments.scans)} scans over {pixels} px: expected at most "
            f"{_MOST_SCAN_PIXELS} px in all: save it again"
        )
    # Each 8 x 8 block takes at least one bit per scan, and two where one scan has all of its parts.
    least = pixels // 64 // 8 * (1 if segments.progressive else 2)
    if segments.kind < 0xC8 and sum(len(scan.data) for scan in segments.scans) < least:
        raise damaged("JPEG", name, "its data end before its last pixel")
    if segments.progressive and not _complete(segments):
        raise damaged("JPEG", name, "its last scans are missing")
    for scan in segments.scans:
        units = _units(segments, scan)
        if scan.interval and len(_RESTART.findall(scan.data)) < (units - 1) // scan.interval:
            raise damaged("JPEG", name, "stretches between its restart markers are missing")


def _units(segments: _Segments, scan: _Scan) -> int:
    """The number of units (MCUs) that a scan codes: A.2."""
    most = [max((s[axis] for s in segments.sampling.values()), default=1) for axis in (0, 1)]
    own = segments.sampling.get(scan.components[0], (1, 1)) if len(scan.components) == 1 else most
    sides = zip((segments.width, segments.height), own, most, strict=True)
    across, down = (-(-side * part // (8 * largest)) for side, part, largest in sides)
    if len(scan.components) > 1:
        across, down = -(-across // most[0]), -(-down // most[1])
    return across * down


def _complete(segments: _Segments) -> bool:
    """Whether the scans contain every bit of the first component: G.1.1.1."""
    left = [-1] * 64  # the lowest known bit of each coefficient; -1: none
    first = segments.scans[0].components[:1]
    for scan in segments.scans:
        if set(first) <= set(scan.components):
            start, end, low = scan.head[-3], min(scan.head[-2], 63), scan.head[-1] & 15
            left[start : end + 1] = [low] * max(0, end + 1 - start)
    return not any(left)


def _decoded(segments: _Segments, bits: bytes) -> Any:
    """Decode with Pillow, with `bits` appended to the data of each scan."""
    parts = [MAGIC[:2]]
    for scan in segments.scans:
        parts += [scan.tables, _segment(0xDA, scan.head), scan.data.rstrip(b"\xff"), bits]
    image = Image.open(io.BytesIO(b"".join([*parts, _END])), formats=("JPEG",))
    image.load()
    return image


def _same(image: Any, other: Any) -> bool:
    """Whether two images are equal; compared in bands of rows to save memory."""
    rows = max(1, _BAND_PIXELS // image.width)
    boxes = [(0, y, image.width, min(y + rows, image.height)) for y in range(0, image.height, rows)]
    return all(image.crop(box).tobytes() == other.crop(box).tobytes() for box in boxes)


def _ends_grey(image: Any) -> bool:
    """Whether the last block has the grey with which libjpeg fills missing data."""
    left, top = (image.width - 1) // 8 * 8, (image.height - 1) // 8 * 8
    block = np.asarray(image.crop((left, top, image.width, image.height))).astype(np.int16)
    return bool((np.abs(block - 128) <= 1).all())


def _pictures(body: bytes) -> int:
    index = directories(body, (_PICTURES,)) if body else []
    return max(1, index[0].number(_PICTURES, 1)) if index else 1


def _density(body: bytes) -> tuple[float, float]:
    """Pixel density (across, down): JFIF 1.02, page 5."""
    if len(body) < 7:
        return 1.0, 1.0
    across, down = struct.unpack_from(">HH", body, 3)
    return float(across), float(down)
