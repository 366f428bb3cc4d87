"""Look-up tables of Modality and VOI LUT Sequences: PS3.3 C.11.1.1, C.11.2.1.1.

In practice LUT Descriptors are wrong more often than LUT Data, so they are checked against the
length, byte order and largest entry of the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom

from ulna.dicom.pixel_module import Warn
from ulna.dicom.values import numbers
from ulna.errors import DicomError

Values = npt.NDArray[np.float64]
# Entries in the wrong byte order are at least this many times rougher than in the right one.
_ROUGHER = 4


@dataclass(frozen=True)
class Lut:
    """table: (n,) outputs for the values from `first` on. bits: as in the LUT Descriptor."""

    first: int
    table: Values
    bits: int

    def apply(self, values: npt.ArrayLike) -> Values:
        """Map `values`; those outside of the table take its first or last entry."""
        index = np.rint(np.asarray(values, np.float64)) - self.first
        mapped: Values = self.table[np.clip(index, 0, self.table.size - 1).astype(np.int64)]
        return mapped


def read_lut(item: pydicom.Dataset, inputs: tuple[float, float], warn: Warn) -> Lut:
    """Read the LUT in an item of a sequence. inputs: the range of values that it will map.

    LUT Descriptor (0028,3002): number of entries (0 means 65536), first value mapped, bits per
    entry. Raises DicomError if it is missing, or if LUT Data (0028,3006) have fewer entries.
    """
    descriptor = numbers(item, "LUTDescriptor")
    raw = _raw(item)
    if len(descriptor) < 2 or descriptor[0] is None or descriptor[1] is None or not raw:
        raise DicomError("its LUT Descriptor or LUT Data is missing or unreadable")
    count = (int(descriptor[0]) & 0xFFFF) or 1 << 16
    stated = descriptor[2] if len(descriptor) > 2 else None
    bits = int(stated) & 0xFFFF if stated is not None else 0
    table = _entries(raw, count, bits, warn).astype(np.float64)
    return Lut(_first_mapped(int(descriptor[1]), count, inputs), table, bits)


def _raw(item: pydicom.Dataset) -> bytes:
    data: Any = item.get("LUTData")
    if data is None or isinstance(data, bytes):
        return data or b""
    values = np.atleast_1d(np.asarray(data))
    return (values.astype(np.int64) & 0xFFFF).astype("<u2").tobytes()


def _entries(raw: bytes, count: int, bits: int, warn: Warn) -> npt.NDArray[np.unsignedinteger]:
    """Return the entries; those of 8 bits may be stored two or one per word: C.11.1.1.1."""
    if len(raw) in (count, count + count % 2) and (bits <= 8 or count > 8):
        if bits > 8:
            warn(f"LUT of {count} entries with {bits} bits in {len(raw)} bytes: read as 8 bits")
        return np.frombuffer(raw, np.uint8, count)
    if len(raw) < 2 * count:
        raise DicomError(f"its LUT has {len(raw) // 2} entries, expected {count}")
    words = np.frombuffer(raw, "<u2", len(raw) // 2)
    wide = len(words) >= 2 * count > 2 and not words[1 : 2 * count : 2].any()
    table = words[: 2 * count : 2] if wide else words[:count]  # wide: 32 bits per entry (VR UL)
    if count > 2 and _ROUGHER * _roughness(table.byteswap()) < _roughness(table):
        warn("LUT Data are in the other byte order: read as such")
        table = table.byteswap()
    return table


def _roughness(table: npt.NDArray[np.unsignedinteger]) -> int:
    return int(np.abs(np.diff(table.astype(np.int64))).sum())


def _first_mapped(first: int, count: int, inputs: tuple[float, float]) -> int:
    """Return the first value mapped, signed or not by the inputs (C.11.2.1.1), not by its VR.

    If the table then covers none of the inputs, the other interpretation is used.
    """
    if first > 0x7FFFFFFF:
        first -= 1 << 32  # a negative number of 32 bits
    unsigned = first & 0xFFFF if -0x8000 <= first <= 0xFFFF else first
    signed = unsigned - 0x10000 if 0x8000 <= unsigned <= 0xFFFF else unsigned
    low, high = inputs
    # A negative number was certainly meant as signed.
    readings = (signed, unsigned) if low < 0 or first < 0 else (unsigned, signed)
    met = [r for r in readings if r <= high and r + count > low]
    return met[0] if met else readings[0]


def full_scale(lut: Lut, warn: Warn) -> int:
    """Return 2^bits - 1, with the bits of the largest entry if the descriptor disagrees.

    Some vendors (such as Agfa) state the allocated bits, and viewers go by the entries.
    """
    bits, needed = lut.bits, max(1, int(lut.table.max()).bit_length())
    if needed > bits or bits == 16 > needed or bits - needed > 1:
        warn(f"LUT says {bits} bits an entry, its entries have {needed}: shown on their own scale")
        return (1 << needed) - 1
    return (1 << bits) - 1
