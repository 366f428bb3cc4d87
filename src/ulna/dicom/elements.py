"""Locate the elements of an encoded data set, iteratively and without converting them: PS3.5 7.

A parser that converts every element fails on malformed private ones that nobody needs, and a
recursive one can be exhausted by deep nesting.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pydicom.datadict import dictionary_VR

from ulna.errors import DicomError

MAX_DEPTH = 64
"""Deepest nesting of sequences that is accepted; reports have about 10."""
MAX_ELEMENTS = 200_000
"""Largest number of elements of one data set; radiographs have a few hundred."""
PIXEL_DATA = 0x7FE00010
# Explicit VRs by the width of their length field: PS3.5 tables 7.1-1 and 7.1-2.
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Encoding:
    """The encoding of a data set: implicit or explicit VR, little or big endian: PS3.5 7.1, 7.3."""

    implicit: bool
    little: bool


class Element(NamedTuple):
    """The position of an element. Its value is data[start:stop]; the next one begins at `after`.

    vr: "" in implicit VR. undefined: whether its length is undefined.
    """

    tag: int
    vr: str
    start: int
    stop: int
    undefined: bool
    after: int


def is_vr(pair: bytes) -> bool:
    """Whether two bytes are a value representation of PS3.5 6.2."""
    return pair in _LONG or pair in _SHORT


def elements(data: bytes, at: int, end: int, encoding: Encoding) -> Iterator[Element]:
    """Yield the top-level elements of data[at:end] up to Pixel Data, which may be truncated.

    Raises DicomError for any other element that ends after `end`, for sequences without an end or
    nested deeper than MAX_DEPTH, and for more than MAX_ELEMENTS.
    """
    count = 0
    while at + 8 <= end:
        element = _element(data, at, end, encoding)
        count += 1
        _check_count(count)
        yield element
        if element.tag == PIXEL_DATA:
            return
        at = element.after


def items(data: bytes, at: int, end: int, encoding: Encoding) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of each item or fragment of a sequence whose value is data[at:end].

    Anything that is not an item ends the sequence. Raises DicomError for an item that ends after
    `end` and for more than MAX_ELEMENTS.
    """
    count = 0
    while at + 8 <= end:
        tag, length = _item_head(data, at, encoding)
        if tag != _ITEM:
            return
        count += 1
        _check_count(count)
        start = at + 8
        if length == _UNDEFINED:
            after = _end_of_item(data, start, end, encoding)
            yield start, after - 8
        else:
            after = start + length
            if after > end:
                raise DicomError(f"an item of {length} bytes, of which {end - start} are there")
            yield start, after
        at = after


def check_depth(data: bytes, spans: list[Element], encoding: Encoding) -> None:
    """Raise DicomError if sequences, also those of defined length, nest deeper than MAX_DEPTH.

    Goes level by level, without recursion. Parts that do not parse are ignored, since most of the
    sequences of a radiograph have nothing to do with its pixels.
    """
    level, seen = spans, 0
    for _ in range(MAX_DEPTH):
        inner = [e for sequence in level for e in _inside(data, sequence, encoding)]
        seen += len(inner)
        _check_count(seen)
        level = [e for e in inner if is_sequence(e)]
        if not level:
            return
    raise DicomError(f"sequences nest deeper than {MAX_DEPTH}: expected a radiograph")


def _inside(data: bytes, sequence: Element, encoding: Encoding) -> Iterator[Element]:
    encoding = inner_encoding(sequence, encoding)
    try:
        for start, stop in items(data, sequence.start, sequence.stop, encoding):
            yield from elements(data, start, stop, encoding)
    except DicomError:
        return


def inner_encoding(sequence: Element, encoding: Encoding) -> Encoding:
    """The encoding of a sequence's items; implicit little endian for VR UN: PS3.5 6.2.2, note 5."""
    return Encoding(implicit=True, little=True) if sequence.vr == "UN" else encoding


def is_sequence(element: Element) -> bool:
    """Whether an element is a sequence, by its VR or, if that is not stated, by the dictionary."""
    if element.vr in ("", "UN"):
        return public_vr(element.tag) == "SQ" or (element.undefined and element.tag != PIXEL_DATA)
    return element.vr == "SQ"


def public_vr(tag: int) -> str:
    """Return the VR of a tag in PS3.6, "" for private and unknown tags."""
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""


def _element(data: bytes, at: int, end: int, encoding: Encoding) -> Element:
    order = "<" if encoding.little else ">"
    group, number = struct.unpack_from(order + "HH", data, at)
    tag = group << 16 | number
    name, start, length = _head(data, at, end, encoding, tag)
    if length == _UNDEFINED:
        inner = Encoding(True, True) if name == "UN" else encoding
        stop, after = _end_of_sequence(data, start, end, inner, is_pixels=tag == PIXEL_DATA)
        return Element(tag, name, start, stop, True, after)
    if start + length > end and tag != PIXEL_DATA:
        raise DicomError(
            f"element {named(tag)} is {length} bytes long, of which {end - start} are there"
        )
    return Element(tag, name, start, min(start + length, end), False, start + length)


def _head(data: bytes, at: int, end: int, encoding: Encoding, tag: int) -> tuple[str, int, int]:
    """Return (VR, start of the value, its length) of the element at `at`: PS3.5 7.1.2, 7.1.3."""
    order, pair = ("<" if encoding.little else ">"), data[at + 4 : at + 6]
    bare = "", at + 8, struct.unpack_from(order + "I", data, at + 4)[0]
    if encoding.implicit or tag >> 16 == 0xFFFE:
        return bare
    name = pair.decode("latin-1")
    short = name, at + 8, struct.unpack_from(order + "H", data, at + 6)[0]
    if pair in _SHORT:
        return short
    if at + 12 <= end:
        wide = name, at + 12, struct.unpack_from(order + "I", data, at + 8)[0]
        if pair in _LONG:
            return wide
        # Future VRs have the long form (PS3.5 6.2), but some writers use other forms for unknown
        # VRs, or implicit VR inside sequences. The form that leads to a next element is taken.
        for head in (bare, wide, short):
            if _leads_on(data, head[1] + head[2], end, encoding, tag):
                return head
    elif pair in _LONG:
        raise DicomError(f"ends within the head of element {named(tag)}")
    return short if pair.isalpha() and pair.isupper() else bare


def _leads_on(data: bytes, at: int, end: int, encoding: Encoding, tag: int) -> bool:
    """Whether `at` is a valid position after element `tag`: a later tag, a delimiter, the end."""
    if at + 8 > end:
        return at == end
    after, _ = _item_head(data, at, encoding)
    if after in (_ITEM, _ITEM_END, _SEQUENCE_END):
        return True
    return after > tag and (is_vr(data[at + 4 : at + 6]) or after >> 16 == tag >> 16)


def _check_count(count: int) -> None:
    if count > MAX_ELEMENTS:
        raise DicomError(f"more than {MAX_ELEMENTS} elements: expected a radiograph")


def named(tag: int) -> str:
    """Format a tag as in the standard: (gggg,eeee)."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _item_head(data: bytes, at: int, encoding: Encoding) -> tuple[int, int]:
    group, number, length = struct.unpack_from("<HHI" if encoding.little else ">HHI", data, at)
    return group << 16 | number, length


def _end_of_item(data: bytes, at: int, end: int, encoding: Encoding) -> int:
    return _walk(data, at, end, [encoding, encoding])


def _end_of_sequence(
    data: bytes, at: int, end: int, encoding: Encoding, *, is_pixels: bool
) -> tuple[int, int]:
    """Return (end of the items, next element) of a sequence of undefined length: PS3.5 7.5.2."""
    if not is_pixels:
        after = _walk(data, at, end, [encoding])
        return after - 8, after
    # Fragments of Pixel Data (PS3.5 A.4): the decoder handles a missing delimiter.
    count = 0
    while at + 8 <= end:
        count += 1
        _check_count(count)
        tag, length = _item_head(data, at, encoding)
        if tag != _ITEM or length == _UNDEFINED:
            return at, at + 8
        at += 8 + length
    return min(at, end), end


def _walk(data: bytes, at: int, end: int, open_: list[Encoding]) -> int:
    """Return the end of the sequence or item on top of the stack `open_`.

    Sequences are at even indices of the stack, items at odd ones.
    """
    floor, count = len(open_) - 1, 0
    while at + 8 <= end:
        count += 1
        _check_count(count)
        if len(open_) > 2 * MAX_DEPTH:
            raise DicomError(f"sequences nest deeper than {MAX_DEPTH}: expected a radiograph")
        encoding = open_[-1]
        tag, length = _item_head(data, at, encoding)
        in_item = len(open_) % 2 == 0
        if tag == (_ITEM_END if in_item else _SEQUENCE_END):
            open_.pop()
            at += 8
            if len(open_) == floor:
                return at
        elif in_item:
            at = _over_element(data, at, end, open_)
        elif tag != _ITEM:
            raise DicomError(f"a sequence holds {named(tag)} where an item is expected")
        elif length == _UNDEFINED:
            open_.append(encoding)
            at += 8
        else:
            at += 8 + length
    raise DicomError("a sequence does not end")


def _over_element(data: bytes, at: int, end: int, open_: list[Encoding]) -> int:
    """Return the position after an element in an item, or inside it if its length is undefined."""
    encoding = open_[-1]
    head = data[at : at + 12]
    explicit = not encoding.implicit and head[4:6] in _LONG
    place = 8 if explicit else 4
    if len(head) < place + 4:
        raise DicomError("a sequence does not end")
    (length,) = struct.unpack_from("<I" if encoding.little else ">I", head, place)
    if length == _UNDEFINED and (explicit or encoding.implicit or not is_vr(head[4:6])):
        open_.append(Encoding(True, True) if head[4:6] == b"UN" else encoding)
        return at + place + 4
    return _element(data, at, end, encoding).after
