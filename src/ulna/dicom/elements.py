"""The elements of an encoded data set, one after the other and without recursion: PS3.5 7.

A parser that converts every element fails on the private ones that nobody needs, and one that
recurses is at the mercy of the file's nesting. This one only finds where each element lies.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pydicom.datadict import dictionary_VR

from ulna.errors import DicomError

MAX_DEPTH = 64
"""Deepest nesting of sequences; reports have about 10."""
MAX_ELEMENTS = 200_000
"""Most elements of one data set that are looked at; radiographs have some hundred."""
PIXEL_DATA = 0x7FE00010
# Explicit VRs by the width of their length field: PS3.5 tables 7.1-1 and 7.1-2.
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Encoding:
    """Implicit or explicit VR, little or big endian: PS3.5 7.1, 7.3."""

    implicit: bool
    little: bool


class Element(NamedTuple):
    """Where an element lies: its value is data[start:stop]; `vr` is "" where none is written."""

    tag: int
    vr: str
    start: int
    stop: int
    undefined: bool
    after: int


def is_vr(pair: bytes) -> bool:
    """Whether two bytes are a Value Representation of PS3.5 6.2."""
    return pair in _LONG or pair in _SHORT


def elements(data: bytes, at: int, end: int, encoding: Encoding) -> Iterator[Element]:
    """The top-level elements of data[at:end] up to Pixel Data, which may be cut short by `end`.

    Raises DicomError for an element that ends after `end`, for sequences without an end or
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
    """(start, stop) of each item of a sequence, or of each fragment, whose value is data[at:end].

    What is no item ends the sequence. Raises DicomError for an item that ends after `end` and for
    more than MAX_ELEMENTS.
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
    """DicomError where sequences, of defined length too, nest deeper than MAX_DEPTH.

    Level by level, not by recursion. What does not parse in them is passed over: most of the
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
    """Sequences written as UN are implicit little endian inside: PS3.5 6.2.2, note 5."""
    return Encoding(implicit=True, little=True) if sequence.vr == "UN" else encoding


def is_sequence(element: Element) -> bool:
    """By its VR where that is written, else by the dictionary's."""
    if element.vr in ("", "UN"):
        return public_vr(element.tag) == "SQ" or (element.undefined and element.tag != PIXEL_DATA)
    return element.vr == "SQ"


def public_vr(tag: int) -> str:
    """The VR of PS3.6 for a tag, "" for private and unknown ones."""
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
    """(VR, where the value begins, its length) of the element at `at`: PS3.5 7.1.2, 7.1.3."""
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
        # VRs to come have the wide form (PS3.5 6.2); some writers have the others for what they
        # do not know, and are implicit inside some sequences: the one that leads on is meant.
        for result in (bare, wide, short):
            if _leads_on(data, result[1] + result[2], end, encoding, tag):
                return result
    elif pair in _LONG:
        raise DicomError(f"ends within the head of element {named(tag)}")
    return short if pair.isalpha() and pair.isupper() else bare


def _leads_on(data: bytes, at: int, end: int, encoding: Encoding, tag: int) -> bool:
    """Whether what can follow element `tag` is at `at`: a later element, a delimiter, the end."""
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
    """A tag as the standard writes it: (gggg,eeee)."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _item_head(data: bytes, at: int, encoding: Encoding) -> tuple[int, int]:
    group, number, length = struct.unpack_from("<HHI" if encoding.little else ">HHI", data, at)
    return group << 16 | number, length


def _end_of_item(data: bytes, at: int, end: int, encoding: Encoding) -> int:
    return _walk(data, at, end, [encoding, encoding])


def _end_of_sequence(
    data: bytes, at: int, end: int, encoding: Encoding, *, is_pixels: bool
) -> tuple[int, int]:
    """(where its items end, where the next element begins) of undefined length: PS3.5 7.5.2."""
    if not is_pixels:
        after = _walk(data, at, end, [encoding])
        return after - 8, after
    # Fragments of Pixel Data: a missing delimiter is the decoder's business, PS3.5 A.4.
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
    """The end of what is `open_`: sequences stand at even places of the stack, items at odd ones.

    Leaves when the stack is as short as a closed start: 0 for a sequence, 1 for an item.
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
    """Past an element in an item; one of undefined length is opened instead."""
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
