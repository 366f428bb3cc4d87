"""Directories of TIFF and BigTIFF, and files rebuilt from only the tags that decoding needs.

Exif and MPF, which are TIFF directories within other files, are read here too. Section numbers are
those of TIFF 6.0; BigTIFF is the same with 64-bit numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
STRIP_OFFSETS, SAMPLES, ROWS, STRIP_COUNTS, PLANAR, PREDICTOR = 273, 277, 278, 279, 284, 317
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS = 322, 323, 324, 325
EXTRA, FORMAT = 338, 339
SUBFILE, ORIENTATION, ACROSS, DOWN = 254, 274, 282, 283
# Tags that a decoder needs, with one value and with several. 292 and 293: options of T.4 and T.6.
# 531: YCbCr positioning. 320: colour map. 347: JPEG tables. 530: YCbCr subsampling.
SINGLE = (
    *(WIDTH, HEIGHT, COMPRESSION, PHOTOMETRIC, FILL_ORDER, SAMPLES, ROWS, PLANAR, PREDICTOR),
    *(TILE_WIDTH, TILE_HEIGHT, 292, 293, 531),
)
LISTED = (
    *(BITS, STRIP_OFFSETS, STRIP_COUNTS, TILE_OFFSETS, TILE_COUNTS, EXTRA, FORMAT),
    *(320, 347, 530),
)
NEEDED = (*SINGLE, *LISTED, SUBFILE, ORIENTATION, ACROSS, DOWN)
# NumPy type of each TIFF type: section 2, Technical Note 1 (13), BigTIFF (16 to 18).
_TYPES = {1: "u1", 2: "u1", 3: "u2", 4: "u4", 5: "u4", 6: "i1", 7: "u1", 8: "i2", 9: "i4"}
_TYPES |= {10: "i4", 11: "f4", 12: "f8", 13: "u4", 16: "u8", 17: "i8", 18: "u8"}
_RATIONAL = (5, 10)
# Largest number of entries in all directories of a file; a page has about twenty.
_MOST_ENTRIES = 1 << 15


@dataclass(frozen=True, eq=False)
class Directory:
    """The wanted tags of one picture. order: '<' or '>'. tags: values; rationals are pairs."""

    order: str
    tags: dict[int, npt.NDArray[np.generic]]

    @property
    def has_picture(self) -> bool:
        """Whether the directory states the size of a picture and the offsets of its data."""
        placed = STRIP_OFFSETS in self.tags or TILE_OFFSETS in self.tags
        return placed and min(self.number(WIDTH, 0), self.number(HEIGHT, 0)) > 0

    def number(self, tag: int, default: int) -> int:
        """Return the first value of a tag as an integer, `default` where there is none."""
        values = self.tags.get(tag)
        if values is None or values.size == 0 or not np.isfinite(values.flat[0]):
            return default
        return int(values.flat[0])

    def numbers(self, tag: int, start: int = 0, stop: int = 64) -> list[int]:
        """Return values `start` to `stop` of an integer tag, [] where there is none."""
        values = self.tags.get(tag)
        if values is None or values.dtype.kind not in "iu":
            return []
        return [int(v) for v in values[start:stop].tolist()]

    def ratio(self, tag: int) -> float:
        """Return the value of a rational tag, 1 where there is none."""
        pair = self.numbers(tag)
        return pair[0] / pair[1] if len(pair) > 1 and pair[1] > 0 and pair[0] > 0 else 1.0


def directories(data: bytes, wanted: Collection[int] = NEEDED) -> list[Directory]:
    """Return the directories in a TIFF file's bytes, in order, as far as they can be read."""
    if not data.startswith(MAGIC):
        return []
    order, big = ("<" if data[:2] == b"II" else ">"), data[2:4] in (b"+\0", b"\0+")
    pointer, counter, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
    head, last = (8 if big else 4), struct.calcsize(pointer)
    found: list[Directory] = []
    seen: set[int] = set()
    left = _MOST_ENTRIES
    while head + last <= len(data):
        (place,) = struct.unpack_from(order + pointer, data, head)
        if place in seen or not 8 <= place <= len(data) - struct.calcsize(order + counter):
            break
        seen.add(place)
        (count,) = struct.unpack_from(order + counter, data, place)
        start = place + struct.calcsize(order + counter)
        left -= count + 1
        if left < 0:
            break
        entries = range(start, min(start + count * entry, len(data) - entry + 1), entry)
        found.append(Directory(order, dict(_entries(data, entries, order, big, wanted))))
        head = start + count * entry
    return found


def _entries(
    data: bytes, places: range, order: str, big: bool, wanted: Collection[int]
) -> list[tuple[int, npt.NDArray[np.generic]]]:
    """Return (tag, values) of the wanted entries that are completely in the file."""
    values = []
    inline = 8 if big else 4
    for place in places:
        tag, kind = struct.unpack_from(order + "HH", data, place)
        (count,) = struct.unpack_from(order + ("Q" if big else "I"), data, place + 4)
        if tag not in wanted or kind not in _TYPES:
            continue
        dtype = np.dtype(order + _TYPES[kind])
        count *= 2 if kind in _RATIONAL else 1
        at = place + 4 + inline
        if count * dtype.itemsize > inline:
            (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, at)
        if count > 0 and at + count * dtype.itemsize <= len(data):
            values.append((tag, np.frombuffer(data, dtype, count, at)))
    return values


def orientation(exif: bytes) -> int:
    """Return the orientation tag (Exif 0x0112) in Exif's bytes, 1 if missing or invalid."""
    found = directories(exif, (ORIENTATION,))
    return turn_of(found[0]) if found else 1


def turn_of(directory: Directory) -> int:
    """Return the orientation tag of a directory (section 8), 1 if missing or invalid."""
    value = directory.number(ORIENTATION, 1)
    return value if 1 <= value <= 8 else 1


def rebuilt(data: bytes, order: str, tags: dict[int, npt.NDArray[np.generic]]) -> bytes:
    """Return a classic TIFF with one directory of new `tags`, whose offsets point into `data`.

    tags: unsigned arrays of 8 (undefined), 16 or 32 bits in native byte order.
    """
    body = bytearray(data)
    body += bytes(len(body) % 2)
    entries, beyond = bytearray(), bytearray()
    first = len(body) + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        packed = values.astype(f"{order}u{values.dtype.itemsize}").tobytes()
        kind = {1: 7, 2: 3, 4: 4}[values.dtype.itemsize]
        entries += struct.pack(order + "HHI", tag, kind, values.size)
        if len(packed) <= 4:
            entries += packed.ljust(4, b"\0")
        else:
            entries += struct.pack(order + "I", first + len(beyond))
            beyond += packed + bytes(len(packed) % 2)
    magic = b"II*\0" if order == "<" else b"MM\0*"
    body[:8] = magic + struct.pack(order + "I", len(body))
    return bytes(body + struct.pack(order + "H", len(tags)) + entries + bytes(4) + beyond)
