"""Reading PNG, with checksums and all 16 bits of a sample.

Chunks that decoding does not need (text, colour profiles, animations) are dropped, so damage in
them does not matter. Pillow keeps only 8 of 16 bits of colours and alpha, so such a picture is
decoded twice, for the upper and the lower byte. Section numbers are those of ISO/IEC 15948 (PNG,
2nd ed.).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ulna.imaging.samples import Picture, Samples, damaged, from_image, from_values
from ulna.imaging.tiff import orientation

MAGIC = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
# (start, step) across and down of the seven passes of interlacing: 8.2.
_PASSES = (
    *((0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4)),
    *((0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2)),
)
# Largest compression ratio of Deflate: RFC 1951 can code 258 bytes in two bits.
_MOST_GAIN = 1032
_PIECE = 1 << 20


@dataclass
class _Chunks:
    """The chunks that decoding needs. doubtful: why the pixel data may be damaged, or ''."""

    head: bytes = b""
    pixels: list[bytes] = field(default_factory=list)
    other: dict[bytes, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    doubtful: str = ""


@dataclass(frozen=True)
class _Head:
    """The image header IHDR: 11.2.2."""

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool

    @property
    def sample_bytes(self) -> int:
        return self.width * self.height * _CHANNELS[self.colour] * max(1, self.depth // 8)

    @property
    def raw_size(self) -> int:
        """Uncompressed bytes, including the filter byte of each row: 7.2, 8.2."""
        bits = self.depth * _CHANNELS[self.colour]
        sizes = [(self.width, self.height)]
        if self.interlaced:
            sizes = [
                (-((x - self.width) // dx), -((y - self.height) // dy)) for x, dx, y, dy in _PASSES
            ]
        return sum(h * (1 + (w * bits + 7) // 8) for w, h in sizes if w > 0 and h > 0)


def read_png(data: bytes, name: str, check: Callable[[int, int, int], None]) -> Picture:
    """Read a PNG file's bytes; check(height, width, bytes of all samples) may raise ImageError.

    A wrong checksum of a chunk that decoding does not need, and a missing end, are noted. Raises
    ImageError for damaged pixel data.
    """
    chunks = _chunks(data, name)
    head = _head(chunks.head, name)
    check(head.height, head.width, head.sample_bytes)
    _check_packed(chunks, head, name)
    significant = chunks.other.get(b"sBIT", b"")
    return Picture(
        _samples(chunks, head, significant, name),
        frames=_frames(chunks.other.get(b"acTL", b"")),
        turn=orientation(chunks.other.get(b"eXIf", b"")),
        density=_density(chunks.other.get(b"pHYs", b"")),
        notes=tuple(chunks.notes),
    )


def _chunks(data: bytes, name: str) -> _Chunks:
    chunks, place = _Chunks(), len(MAGIC)
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + size]
        checksum = data[place + 8 + size : place + 12 + size]
        whole = len(checksum) == 4
        right = whole and zlib.crc32(kind + body) == int.from_bytes(checksum, "big")
        place += 12 + size
        if kind == b"IEND" and right:
            return chunks
        _keep(chunks, kind, body, "" if right else "wrong" if whole else "cut short", name)
        if not whole:
            break
    chunks.notes.append("its end is missing: every pixel is there")
    return chunks


def _keep(chunks: _Chunks, kind: bytes, body: bytes, fault: str, name: str) -> None:
    """Keep a chunk if it is needed. fault: 'wrong' (checksum), 'cut short' or ''."""
    if kind == b"IDAT":
        chunks.pixels.append(body)
        chunks.doubtful = chunks.doubtful or fault
    elif not fault and kind == b"IHDR" and not chunks.head:
        chunks.head = body
    elif not fault:
        chunks.other.setdefault(kind, body)
    elif kind in (b"IHDR", b"tRNS") or (kind == b"PLTE" and chunks.head[9:10] == b"\3"):
        # The palette of a true-colour picture is only a suggestion: 11.2.3.
        raise damaged("PNG", name, f"its chunk {kind.decode()} fails its checksum")
    elif fault == "wrong":
        label = kind.decode("ascii", "replace") if kind.isalpha() else "of no kind"
        chunks.notes.append(f"a chunk {label} fails its checksum: ignored, no pixel needs it")


def _head(body: bytes, name: str) -> _Head:
    if len(body) == 13:
        width, height, depth, colour, packing, filters, interlace = struct.unpack(">IIBBBBB", body)
        if depth in _DEPTHS.get(colour, ()) and (packing, filters) == (0, 0) and interlace < 2:
            return _Head(width, height, depth, colour, bool(interlace))
    raise damaged("PNG", name, "its header describes no picture")


def _check_packed(chunks: _Chunks, head: _Head, name: str) -> None:
    """Raise ImageError if the pixel data are too short for the picture, or damaged."""
    packed = sum(map(len, chunks.pixels))
    fault = "" if packed * _MOST_GAIN >= head.raw_size else "cut short"
    if not fault and chunks.doubtful and not _intact(chunks, head):
        fault = chunks.doubtful
    if fault:
        reason = "they end too early" if fault == "cut short" else "they fail their checksum"
        raise damaged("PNG", name, f"its pixels: {reason}")
    if chunks.doubtful == "wrong":
        chunks.notes.append("a chunk of pixels fails its checksum; that of all pixels is right")


def _intact(chunks: _Chunks, head: _Head) -> bool:
    """Whether all pixels are there and match their checksum (RFC 1950), if that is not cut off."""
    stream, total = zlib.decompressobj(), 0
    try:
        for rest in chunks.pixels:
            while rest and not stream.eof and total <= head.raw_size:
                total += len(stream.decompress(rest, _PIECE))
                rest = stream.unconsumed_tail
    except zlib.error:
        return False
    return stream.eof or (chunks.doubtful == "cut short" and total >= head.raw_size)


def _samples(chunks: _Chunks, head: _Head, significant: bytes, name: str) -> Samples:
    own = significant[: 3 if head.colour in (2, 6) else 1]  # alpha may have other bits
    bits = own[0] if own and len(set(own)) == 1 else head.depth
    image = _opened(chunks, head)
    if head.depth < 16:
        image.load()
        shift = head.depth - bits if head.colour in (0, 2) and 0 < bits < head.depth == 8 else 0
        largest = max(high for _, high in _extrema(image))
        return from_image(image, shift if largest >> bits else 0)
    values = _wide(chunks, head, image)
    transparent = chunks.other.get(b"tRNS", b"")
    key = np.frombuffer(transparent, ">u2") if len(transparent) == 2 * values.shape[2] else None
    colours = values if head.colour in (0, 2) else values[..., :-1]
    if not (0 < bits < 16 and int(colours.max()) >> bits):
        return from_values(values, name, transparent=key)
    # 12.5: samples were scaled up from `bits`, which are the upper ones.
    colours >>= 16 - bits
    key = None if key is None else key >> (16 - bits)
    return from_values(values, name, bits, key)


def _extrema(image: Any) -> list[tuple[int, int]]:
    extrema = image.getextrema()
    return [extrema] if isinstance(extrema[0], int) else list(extrema)


def _opened(chunks: _Chunks, head: _Head) -> Any:
    """Open the chunks that decoding needs as a Pillow image, not loaded yet."""
    kept = [(b"IHDR", chunks.head)]
    kept += [(k, chunks.other[k]) for k in (b"PLTE", b"tRNS") if k in chunks.other]
    kept += [*((b"IDAT", part) for part in chunks.pixels), (b"IEND", b"")]
    if head.depth == 16:
        kept = [(kind, body) for kind, body in kept if kind != b"tRNS"]
    parts = [MAGIC]
    for kind, body in kept:
        parts += [struct.pack(">I", len(body)), kind, body]
        parts.append(struct.pack(">I", zlib.crc32(body, zlib.crc32(kind))))
    return Image.open(io.BytesIO(b"".join(parts)), formats=("PNG",))


def _wide(chunks: _Chunks, head: _Head, image: Any) -> npt.NDArray[np.uint16]:
    """Return the (H, W, channels) samples of a 16-bit picture."""
    if head.colour == 0:
        return np.array(image, dtype=np.uint16)[..., None]
    channels = _CHANNELS[head.colour]
    if head.colour == 4:  # as long as RGBA of 8 bit, byte by byte
        pairs = np.asarray(_as_if(image, "RGBA"))
        return np.asarray(np.ascontiguousarray(pairs).view(">u2"), dtype=np.uint16)
    values = np.empty((head.height, head.width, channels), np.uint16)
    raw = "RGBA" if channels == 4 else "RGB"
    values[...] = np.asarray(_as_if(image, f"{raw};16B"))
    values <<= 8
    values |= np.asarray(_as_if(_opened(chunks, head), f"{raw};16L"))
    return values


def _as_if(image: Any, raw: str) -> Any:
    """Load `image` with its rows in the raw mode `raw`; of 16 bits, ';16B' takes the first byte."""
    codec, box, offset, _ = image.tile[0]
    image.tile = [type(image.tile[0])(codec, box, offset, raw)]
    image.load()
    return image


def _frames(control: bytes) -> int:
    return max(1, int.from_bytes(control[:4], "big")) if len(control) == 8 else 1


def _density(physical: bytes) -> tuple[float, float]:
    if len(physical) != 9:
        return 1.0, 1.0
    across, down = struct.unpack_from(">II", physical)
    return float(across), float(down)
