"""Parse a DICOM file's bytes: header and position of the pixels, in bounded memory and time."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import pydicom
from pydicom import config
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from ulna.dicom.convert import data_set
from ulna.dicom.elements import (
    PIXEL_DATA,
    Element,
    Encoding,
    check_depth,
    elements,
    is_sequence,
    is_vr,
)
from ulna.errors import DicomError

MAX_INFLATED = 256 * 2**20
"""Largest inflated data set, in bytes: that of two 16-bit images of the largest pixel count."""
_PREAMBLE = 128
_SHORT_VALUE = 1024
_META = Encoding(implicit=False, little=True)
_TRANSFER_SYNTAX = 0x00020010


@dataclass(frozen=True)
class ParsedFile:
    """A parsed DICOM file.

    dataset: the converted public elements without Pixel Data. syntax: the Transfer Syntax UID
    (0002,0010), or the actual one if that is wrong or missing. pixels: position of Pixel Data in
    `data`, or None. notes: repairs, to be reported as warnings.
    """

    dataset: pydicom.Dataset
    syntax: UID
    encoding: Encoding
    data: bytes
    pixels: Element | None
    notes: tuple[str, ...]


def parse(data: bytes, name: str) -> ParsedFile:
    """Parse the bytes of a file with or without preamble and group 0002: PS3.10 7.1.

    Raises DicomError with `name` for bytes that do not parse, that inflate to more than
    MAX_INFLATED or nest deeper than MAX_DEPTH. Elements that do not describe the image are not
    interpreted, so damage in them does not matter.
    """
    try:
        start, stated = _meta(data)
        if stated == DeflatedExplicitVRLittleEndian and not _plausible(data, start):
            data, start = _inflated(data[start:]), 0
        encoding = _encoding(data, start)
        located = list(elements(data, start, len(data), encoding))
        check_depth(data, [e for e in located if is_sequence(e)], encoding)
    except DicomError as error:
        raise DicomError(
            f"{name}: damaged or cut short DICOM file ({error}): copy it again from its source"
        ) from None
    syntax, notes = _syntax(stated, encoding)
    return ParsedFile(
        dataset=data_set(data, located, encoding),
        syntax=syntax,
        encoding=encoding,
        data=data,
        pixels=next((e for e in located if e.tag == PIXEL_DATA), None),
        notes=notes,
    )


def _meta(data: bytes) -> tuple[int, str]:
    """Return the start of the data set, and the Transfer Syntax UID of group 0002 or ""."""
    start = next((n + 4 for n in (_PREAMBLE, 0) if data[n : n + 4] == b"DICM"), 0)
    end, stated = start, ""
    if data[start : start + 2] == b"\x02\x00":
        meta = _META if is_vr(data[start + 4 : start + 6]) else Encoding(True, True)
        # By the group numbers, since the group length is often wrong.
        for element in elements(data, start, len(data), meta):
            if element.tag >> 16 != 2:
                break
            end = element.after
            if element.tag == _TRANSFER_SYNTAX:
                stated = _uid(data, element)
            if data[end : end + 2] != b"\x02\x00":
                break
    if len(data) < end + 8:
        raise DicomError("nothing follows its first bytes")
    return end, stated


def _uid(data: bytes, element: Element) -> str:
    return data[element.start : element.stop].decode("latin-1").strip("\0 \n\r\t")


def _encoding(data: bytes, at: int) -> Encoding:
    """Detect the encoding from the first element, whatever group 0002 states.

    Its group is 0008 or slightly higher, and explicit VRs are two letters.
    """
    little = data[at] >= data[at + 1]
    return Encoding(implicit=not is_vr(data[at + 4 : at + 6]), little=little)


def _plausible(data: bytes, at: int) -> bool:
    """Whether an uncompressed data set begins here although the syntax is deflated."""
    if b"\0" in data[at : at + 2] and is_vr(data[at + 4 : at + 6]):
        return True
    length = int.from_bytes(data[at + 4 : at + 8], "little")  # implicit VR: first values are short
    return data[at : at + 2] == b"\x08\0" and length <= _SHORT_VALUE


def _syntax(stated: str, encoding: Encoding) -> tuple[UID, tuple[str, ...]]:
    explicit = ExplicitVRLittleEndian if encoding.little else ExplicitVRBigEndian
    written = ImplicitVRLittleEndian if encoding.implicit else explicit
    if not stated:
        return written, ()
    native = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
    says = UID(stated, config.IGNORE)  # an invalid UID is reported by the decoder
    if says in native and says != written:
        return written, (f"says {says.name}, is {written.name}: read as it is written",)
    return says, ()


def has_zlib_head(deflated: bytes) -> bool:
    """Whether deflated data begin with the header of RFC 1950, which DICOM omits."""
    return deflated[:1] == b"\x78" and int.from_bytes(deflated[:2], "big") % 31 == 0


def _inflated(deflated: bytes) -> bytes:
    """Inflate a data set (PS3.5 A.5), after checking its size: 1.6 MB can become gigabytes."""
    window = zlib.MAX_WBITS if has_zlib_head(deflated) else -zlib.MAX_WBITS
    try:
        total = _inflated_size(deflated, window)
        whole = zlib.decompress(deflated, window, total)
    except zlib.error:
        raise DicomError("its deflated data set does not inflate") from None
    if len(whole) < 8:
        raise DicomError("nothing follows its first bytes")
    return whole


def _inflated_size(deflated: bytes, window: int) -> int:
    stream, rest, total = zlib.decompressobj(window), deflated, 0
    while rest and not stream.eof:
        total += len(stream.decompress(rest, 1 << 20))
        rest = stream.unconsumed_tail
        if total > MAX_INFLATED:
            raise DicomError(f"inflates to more than {MAX_INFLATED} bytes")
    return max(total, 1)
