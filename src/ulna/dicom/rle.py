"""Decode RLE Lossless: PS3.5 annex G."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from ulna.errors import DicomError


def looks_like_rle(frame: bytes) -> bool:
    """Whether a frame begins with the header of one or two segments: G.5."""
    if len(frame) < 64:
        return False
    count, first, *others = struct.unpack_from("<16I", frame)
    used = others[: max(count - 1, 0)]
    return count in (1, 2) and first == 64 and all(used) and not any(others[len(used) :])


def decode_rle(frame: bytes, pixels: int, sample_bytes: int) -> npt.NDArray[Any]:
    """Decode `pixels` values of `sample_bytes` bytes, a segment per byte, highest first: G.2, G.5.

    A single segment instead of two contains 8-bit values. At most `pixels` bytes of a segment are
    unpacked, since 2 MB can unpack to gigabytes. Raises DicomError if there are fewer.
    """
    if len(frame) < 64:
        raise DicomError("its RLE header is cut short")
    count, *offsets = struct.unpack_from("<16I", frame)
    if not 1 <= count <= sample_bytes:
        raise DicomError(f"{count} RLE segments, where its pixels have {sample_bytes} bytes")
    ends = [*offsets[1:count], len(frame)]
    planes = [
        np.frombuffer(_unpacked(frame[start:end], pixels), np.uint8, pixels)
        for start, end in zip(offsets, ends, strict=False)
    ]
    if count == 1:
        return planes[0]
    values = planes[0].astype(np.uint16)
    values <<= 8
    values |= planes[1]
    return values


def _unpacked(segment: bytes, size: int) -> bytearray:
    """Unpack PackBits (G.3.2): n < 128 precedes n + 1 literal bytes, n > 128 a repeated byte."""
    unpacked, at, have, end = bytearray(size + 128), 0, 0, len(segment)
    while have < size and at + 1 < end:
        control = segment[at]
        if control < 128:
            piece = segment[at + 1 : at + 2 + control]
            at += 2 + control
        elif control > 128:
            piece = segment[at + 1 : at + 2] * (257 - control)
            at += 2
        else:
            at += 1
            continue
        unpacked[have : have + len(piece)] = piece
        have += len(piece)
    if have < size:
        raise DicomError(f"an RLE segment of {have} bytes, where {size} are needed")
    return unpacked
