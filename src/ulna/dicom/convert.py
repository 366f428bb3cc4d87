"""Convert located elements to a `pydicom.Dataset` of plain values, without raising.

pydicom converts and validates an element on access, and raises or warns if it violates the
standard. Here every value becomes text, a list of numbers, bytes or a sequence, and is validated
only where it is used (`ulna.dicom.values`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pydicom
from pydicom.charset import python_encoding
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from ulna.dicom.elements import (
    PIXEL_DATA,
    Element,
    Encoding,
    elements,
    inner_encoding,
    is_sequence,
    is_vr,
    items,
    public_vr,
)
from ulna.errors import DicomError

# Modality LUT, VOI LUT, Anatomic Region and View Code Sequence; all have one level.
_SEQUENCES = frozenset({0x00283000, 0x00283010, 0x00082218, 0x00540220})
_LUT_DATA, _CHARACTER_SET = 0x00283006, 0x00080005
_MAX_VALUE = 1 << 20
"""Largest value that is converted, in bytes; larger ones are overlays, waveforms, documents."""
_MAX_ITEMS = 64
_PLAIN_TEXT = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
# VRs whose text is in the Specific Character Set: PS3.5 6.1.2.3.
_FREE_TEXT = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_TEXT = _PLAIN_TEXT | _FREE_TEXT
_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}


def data_set(
    data: bytes, located: Iterable[Element], encoding: Encoding, codec: str = "latin-1"
) -> pydicom.Dataset:
    """Convert the public `located` elements except Pixel Data; the first of equal tags is kept.

    codec: of text without a Specific Character Set of its own; items inherit that of their data
    set (PS3.3 C.12.1.1.2).
    """
    kept: dict[int, DataElement] = {}
    for element in located:
        tag = element.tag
        if tag in kept or (tag >> 16) % 2 or tag == PIXEL_DATA:
            continue
        if is_sequence(element):
            if tag in _SEQUENCES:
                value = Sequence(_items(data, element, encoding, codec))
                kept[tag] = DataElement(Tag(tag), "SQ", value, already_converted=True)
            continue
        if element.stop - element.start > _MAX_VALUE or public_vr(tag) == "SQ":
            continue  # a sequence that was written as something else
        raw = data[element.start : element.stop]
        if tag == _CHARACTER_SET:
            codec = _codec(raw)
        kept[tag] = _converted(element, raw, encoding, codec)
    return pydicom.Dataset({Tag(tag): element for tag, element in kept.items()})


def _items(data: bytes, sequence: Element, encoding: Encoding, codec: str) -> list[pydicom.Dataset]:
    """Convert the items of a sequence up to the first that does not parse."""
    encoding = inner_encoding(sequence, encoding)
    read: list[pydicom.Dataset] = []
    try:
        for start, stop in items(data, sequence.start, sequence.stop, encoding):
            if len(read) == _MAX_ITEMS:
                break
            # Detected by the first element, since some writers mix encodings. Two letters of a VR
            # would be an impossible length of the first value in the sequences that are read.
            inner = Encoding(not is_vr(data[start + 4 : start + 6]), encoding.little)
            read.append(data_set(data, elements(data, start, stop, inner), inner, codec))
    except DicomError:
        pass  # callers check for the values that they need
    return read


def _converted(element: Element, raw: bytes, encoding: Encoding, codec: str) -> DataElement:
    tag = Tag(element.tag)
    if element.tag == _LUT_DATA:
        return DataElement(tag, "OW", _words(element, raw, encoding), already_converted=True)
    vr = element.vr if element.vr in _TEXT or element.vr in _NUMBERS else public_vr(element.tag)
    vr = "US" if vr.startswith("US or") else vr
    if vr in _NUMBERS:
        value = _numbers(raw, vr, encoding)
        if value is not None:
            return DataElement(tag, vr, value, already_converted=True)
        vr = "LO"  # the length does not fit the VR: mostly numbers written as text
    if vr in _TEXT:
        text = raw.decode(codec if vr in _FREE_TEXT else "latin-1", "backslashreplace")
        return DataElement(tag, vr, text.strip("\0 \r\n\t"), already_converted=True)
    return DataElement(tag, "UN", raw, already_converted=True)


def _numbers(raw: bytes, vr: str, encoding: Encoding) -> list[float] | None:
    count, rest = divmod(len(raw), struct.calcsize("<" + _NUMBERS[vr]))
    if rest:
        return None
    return list(struct.unpack(f"{'<' if encoding.little else '>'}{count}{_NUMBERS[vr]}", raw))


def _words(element: Element, raw: bytes, encoding: Encoding) -> bytes:
    """LUT Data as little-endian words; big-endian files swap only VRs of words: PS3.5 7.3."""
    if encoding.little or element.vr not in ("US", "SS", "OW"):
        return raw
    swapped = bytearray(raw[: len(raw) // 2 * 2])
    swapped[0::2], swapped[1::2] = swapped[1::2], swapped[0::2]
    return bytes(swapped)


def _codec(raw: bytes) -> str:
    """Python's codec for Specific Character Set (0008,0005), the last known one of several.

    An unknown character set is read as Latin-1, since such text is only displayed.
    """
    names = [n.strip() for n in raw.decode("latin-1").strip("\0 ").split("\\")]
    known = [python_encoding[n] for n in names if n in python_encoding]
    return known[-1] if known else "latin-1"
