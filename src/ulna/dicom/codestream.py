"""Extract compressed frames from their fragments, and parse the headers of codestreams."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ulna.dicom.elements import Element, Encoding, items
from ulna.errors import DicomError

ITEM = b"\xfe\xff\x00\xe0"
"""The item tag with which encapsulated Pixel Data begin: PS3.5 A.4."""
_J2K, _JP2 = b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_JXL, _JXL_BOXES = b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n"
_ENCODING = Encoding(implicit=False, little=True)
# Start Of Frame markers (T.81 table B.1) and that of JPEG-LS (T.87), with precision and size.
_STARTS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC} | {0xF7}
_LOSSLESS = (0xC3, 0xC7, 0xCB, 0xCF)


@dataclass(frozen=True)
class Codestream:
    """The header of a compressed frame.

    kind: name of the compression, "" if unknown. lossless: a JPEG process that Pillow lacks. rows,
    columns, bits (per sample): 0 where not parsed. end: position where the end marker of JPEG is or
    should be, or of JPEG 2000 should be. ended: whether the end marker is there, or more than it
    may be missing.
    """

    kind: str
    rows: int = 0
    columns: int = 0
    bits: int = 0
    components: int = 1
    signed: bool = False
    lossless: bool = False
    end: int = 0
    ended: bool = True


def first_frame(data: bytes, pixels: Element, frames: int, *, one_fragment: bool) -> bytes:
    """Return the first frame from the fragments of encapsulated Pixel Data: PS3.5 A.4.

    A frame may be in several fragments. If there is no usable Basic Offset Table, the next frame
    is assumed to begin at the fragment that starts like the first one. one_fragment: each frame is
    in one fragment. Raises DicomError for truncated or missing fragments.
    """
    if data[pixels.start : pixels.start + 4] != ITEM:
        return data[pixels.start : pixels.stop]  # a codestream that is not encapsulated
    spans = list(items(data, pixels.start, pixels.stop, _ENCODING))
    fragments = [(start, stop) for start, stop in spans[1:] if stop > start]
    if len(spans) == 1 and identify(data[slice(*spans[0])]).kind:
        fragments = spans  # written without an offset table
    if not fragments:
        raise DicomError("no fragment follows its offset table")
    if one_fragment and frames > 1:
        fragments = fragments[:1]
    elif frames > 1:
        table = data[slice(*spans[0])]
        fragments = fragments[: _count(data, table, fragments, frames)]
    return b"".join(data[start:stop] for start, stop in fragments)


def _count(data: bytes, table: bytes, fragments: list[tuple[int, int]], frames: int) -> int:
    """The number of fragments of the first frame."""
    if len(fragments) <= frames:
        return 1
    starts = [start - 8 - (fragments[0][0] - 8) for start, _ in fragments]
    if len(table) >= 8:
        second = struct.unpack_from("<I", table, 4)[0]
        if second in starts[1:]:
            return starts.index(second)
    first = data[fragments[0][0] : fragments[0][0] + 3]
    later = (n for n, (start, _) in enumerate(fragments) if n and data[start : start + 3] == first)
    return next(later, len(fragments))


def identify(frame: bytes) -> Codestream:
    """Identify a codestream by its signature, since transfer syntaxes are wrong more often.

    JPEG: T.81 B.2.2. JPEG-LS: T.87 C.2.2. JPEG 2000 and HTJ2K: T.800 A.5.1. JPEG XL: ISO/IEC
    18181-1 annex D and 18181-2 9.3. Raises DicomError for a truncated header.
    """
    try:
        if frame.startswith((_JXL, _JXL_BOXES)):
            return _jpeg_xl(frame)
        if frame.startswith((_J2K, _JP2)):
            return _jpeg_2000(frame)
        if frame.startswith(b"\xff\xd8"):
            return _jpeg(frame)
    except (struct.error, IndexError):
        raise DicomError("its compressed frame ends within its head") from None
    return Codestream("")


def _jpeg_xl(frame: bytes) -> Codestream:
    """Parse SizeHeader: bits in ascending order after the signature FF 0A, possibly in boxes."""
    at = 0
    while not frame.startswith(_JXL, at):
        size, kind = struct.unpack_from(">I4s", frame, at)
        if kind in (b"jxlc", b"jxlp"):
            at += 12 if kind == b"jxlp" else 8
            break
        if size < 8:
            raise DicomError("its JPEG XL file holds no codestream")
        at += size
    if not frame.startswith(_JXL, at):
        raise DicomError("its JPEG XL file holds no codestream")
    bits = int.from_bytes(frame[at + 2 : at + 14], "little")
    small, bits = bits & 1, bits >> 1
    rows, bits = _jpeg_xl_side(bits, small)
    ratio, bits = bits & 7, bits >> 3
    if ratio:
        across, down = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
        return Codestream("JPEG XL", rows, rows * across // down)
    return Codestream("JPEG XL", rows, _jpeg_xl_side(bits, small)[0])


def _jpeg_xl_side(bits: int, small: int) -> tuple[int, int]:
    if small:
        return 8 * ((bits & 31) + 1), bits >> 5
    width = (9, 13, 18, 30)[bits & 3]
    return (bits >> 2 & (1 << width) - 1) + 1, bits >> 2 + width


def _jpeg_2000(frame: bytes) -> Codestream:
    at = frame.index(_J2K) if _J2K in frame[: 1 << 16] else -1
    if at < 0:
        raise DicomError("its JPEG 2000 file holds no codestream")
    right, lower, left, upper = struct.unpack_from(">IIII", frame, at + 8)
    (components,) = struct.unpack_from(">H", frame, at + 40)
    depth = frame[at + 42]
    end = 0 if at or b"\xff\xd9" in frame[-4:] else _end_of_tiles(frame)
    return Codestream(
        "JPEG 2000",
        rows=lower - upper,
        columns=right - left,
        bits=(depth & 0x7F) + 1,
        components=components,
        signed=depth > 0x7F,
        end=end,
        ended=not end,
    )


def _end_of_tiles(frame: bytes) -> int:
    """The end of the last tile-part (T.800 A.4.2); 0 unless only padding follows it."""
    at = 2
    while frame[at : at + 2] != b"\xff\x90":
        if frame[at : at + 1] != b"\xff":
            return 0
        at += 2 + struct.unpack_from(">H", frame, at + 2)[0]
    while frame[at : at + 2] == b"\xff\x90":
        (length,) = struct.unpack_from(">I", frame, at + 6)
        if length < 14 or at + length > len(frame):
            return 0
        at += length
    return at if frame[at:] in (b"", b"\0") else 0


def _jpeg(frame: bytes) -> Codestream:
    at = 2
    while True:
        if frame[at] != 0xFF:
            raise DicomError("its JPEG frame holds no marker where one is expected")
        marker = frame[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _STARTS:
            bits, rows, columns, components = struct.unpack_from(">BHHB", frame, at + 4)
            if marker == 0xF7:
                ended = frame.find(b"\xff\xd9", at) >= 0
                return Codestream(
                    "JPEG-LS", rows, columns, bits, components, lossless=True, ended=ended
                )
            # Entropy-coded data contain no marker except restarts, so this one is the end.
            end = frame.find(b"\xff\xd9", at)
            return Codestream(
                "JPEG",
                rows,
                columns,
                bits,
                components,
                lossless=marker in _LOSSLESS,
                end=end if end >= 0 else len(frame),
                ended=end >= 0,
            )
        if marker == 0xDA:
            raise DicomError("its JPEG frame has no frame header")
        at += 2 + struct.unpack_from(">H", frame, at + 2)[0]
