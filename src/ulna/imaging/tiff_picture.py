"""Reading TIFF pictures: greys and colours of any bit depth, compression and byte order.

Pillow supports few of the layouts. So grey and RGB pictures are presented to libtiff as plain bytes
(tags that describe 8-bit grey, as wide as a row has bytes), and the decompressed bytes are
interpreted here. Palettes, CMYK, YCbCr, fax and JPEG within TIFF are decoded by Pillow, with only
the tags that they need. Section numbers are those of TIFF 6.0.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import TiffImagePlugin

from ulna.errors import ImageError
from ulna.imaging import tiff
from ulna.imaging.samples import Picture, Samples, damaged, from_image, from_values
from ulna.imaging.tiff_layout import (
    PLAIN,
    RGB,
    WHITE_IS_ZERO,
    Layout,
    check_layout,
    layout_of,
    select_page,
)

Bytes = npt.NDArray[np.uint8]
Tags = dict[int, npt.NDArray[np.generic]]
_BLACK_IS_ZERO = 1
# Fax and JPEG: their decoders produce pixels, not plain bytes.
_PILLOW_DECODES = (2, 3, 4, 6, 7, 34661, 34712)
_HORIZONTAL, _FLOATING = 2, 3
# Above the largest compression ratio of deflate, LZW, LZMA and the others.
_MOST_GAIN = 10_000
_MOST_TILE = 64_000_000
_MOST_PIECES = 1 << 17


def read_tiff(data: bytes, name: str, check: Callable[[int, int, int], None]) -> Picture:
    """Read a TIFF file's bytes; check(height, width, bytes of all samples) may raise ImageError.

    Of several pages the first that is no thumbnail is read. Raises ImageError for layouts that
    radiographs do not have, and for damaged or truncated files.
    """
    found = tiff.directories(data)
    pages = [layout_of(d) for d in found if d.has_picture] or [layout_of(d) for d in found[:1]]
    if not pages:
        raise damaged("TIFF", name, "it has no directory")
    chosen = select_page(pages)
    page = pages[chosen]
    check(page.height, page.width, page.height * page.width * page.samples * -(-page.bits // 8))
    if page.photometric <= RGB and page.compression not in _PILLOW_DECODES and page.bits > 1:
        samples = from_values(_values(data, page, name), name, _stated_bits(page))
        samples = replace(samples, inverted=page.photometric == WHITE_IS_ZERO)
    else:
        samples = _by_pillow(data, page, name)
    return Picture(
        samples,
        frames=len(pages),
        frame=chosen + 1,
        turn=tiff.turn_of(page.directory),
        density=(page.directory.ratio(tiff.ACROSS), page.directory.ratio(tiff.DOWN)),
    )


def _stated_bits(page: Layout) -> int:
    """The number of significant bits if the type has at most 14, else 0 (not known)."""
    return page.bits if page.bits <= 14 and page.kind == 1 else 0


def _values(data: bytes, page: Layout, name: str) -> npt.NDArray[Any]:
    """Return (H, W, channels) samples: the colours, and alpha unless it is premultiplied."""
    check_layout(page, name)
    planes = [_plane(data, page, plane, name) for plane in range(page.planes)]
    values = np.concatenate(planes, axis=2) if page.separate else planes[0]
    channels = page.colours + (page.alpha == 2)
    return values[: page.height, : page.width, : min(channels, page.samples)]


def _plane(data: bytes, page: Layout, plane: int, name: str) -> npt.NDArray[Any]:
    """Return (rows, columns, samples) of one plane, including the padding of tiles."""
    rows = _rows(data, page, plane, name)
    per_pixel = 1 if page.separate else page.samples
    tiles = rows.reshape(len(rows), page.across, page.row_bytes)
    if page.bits not in (8, 16, 32):
        if page.predictor != 1:
            raise ImageError(f"{name}: TIFF of {page.bits} bits with a predictor: expected none")
        numbers: npt.NDArray[Any] = _unpacked(tiles, page.bits, page.in_row)
    elif page.predictor == _FLOATING and page.kind == 3:
        numbers = _float_differences(tiles, page, per_pixel)
    else:
        kind = {1: "u", 2: "i", 3: "f"}[page.kind]
        stored = np.dtype(f"{page.directory.order}{kind}{page.bits // 8}")
        numbers = tiles.view(stored).astype(stored.newbyteorder("="), copy=False)
    shape = (len(rows), page.across, page.tile[1], per_pixel)
    numbers = numbers.reshape(shape)
    if page.predictor == _HORIZONTAL and page.kind != 3:
        numbers = np.cumsum(numbers, axis=2, dtype=numbers.dtype)
    return numbers.reshape(len(rows), -1, per_pixel)


def _unpacked(tiles: Bytes, bits: int, count: int) -> npt.NDArray[np.uint16]:
    """Unpack samples of `bits` bits, the highest bit first; each row begins at a full byte."""
    result = np.empty((*tiles.shape[:2], count), np.uint16)
    weights = 1 << np.arange(bits - 1, -1, -1, dtype=np.uint16)
    for row, packed in enumerate(tiles):
        single = np.unpackbits(packed, axis=1, count=count * bits)
        result[row] = single.reshape(len(packed), count, bits) @ weights
    return result


def _float_differences(tiles: Bytes, page: Layout, per_pixel: int) -> npt.NDArray[np.floating]:
    """Undo predictor 3 (Adobe, TIFF Technical Note 3): byte planes stored as differences."""
    rows, across = tiles.shape[:2]
    size = page.bits // 8
    steps = tiles.reshape(rows, across, -1, per_pixel)
    planes = np.cumsum(steps, axis=2, dtype=np.uint8).reshape(rows, across, size, -1)
    joined = np.ascontiguousarray(np.moveaxis(planes, 2, 3))
    big = joined.view(f">f{size}")
    return big.astype(big.dtype.newbyteorder("="))


def _rows(data: bytes, page: Layout, plane: int, name: str) -> Bytes:
    """Return the decompressed (rows, bytes) of one plane, with tiles side by side."""
    offsets, counts = _pieces(data, page, plane, name)
    width, order = page.across * page.row_bytes, page.directory.order
    if page.compression == PLAIN:
        return _plain_rows(data, page, offsets, counts, name)
    if sum(counts) * _MOST_GAIN < page.height * width:
        raise damaged("TIFF", name, "its pixels end too early")
    tags: Tags = {
        tiff.WIDTH: _array(np.uint32, width),
        tiff.HEIGHT: _array(np.uint32, page.height),
        tiff.BITS: _array(np.uint16, 8),
        tiff.COMPRESSION: _array(np.uint16, page.compression),
        tiff.PHOTOMETRIC: _array(np.uint16, _BLACK_IS_ZERO),
        tiff.FILL_ORDER: _array(np.uint16, page.directory.number(tiff.FILL_ORDER, 1)),
        tiff.SAMPLES: _array(np.uint16, 1),
    }
    tags |= _places(page, offsets, counts, page.row_bytes)
    return np.asarray(_loaded(tiff.rebuilt(data, order, tags), page, name, "L"))


def _places(page: Layout, offsets: list[int], counts: list[int], tile_width: int) -> Tags:
    """Return the tags with the offsets and sizes of the strips or tiles."""
    where, sizes = _array(np.uint32, *offsets), _array(np.uint32, *counts)
    if not page.tiled:
        rows = min(page.directory.number(tiff.ROWS, page.height), page.height)
        return {
            tiff.ROWS: _array(np.uint32, rows),
            tiff.STRIP_OFFSETS: where,
            tiff.STRIP_COUNTS: sizes,
        }
    return {
        tiff.TILE_WIDTH: _array(np.uint32, tile_width),
        tiff.TILE_HEIGHT: _array(np.uint32, page.tile[0]),
        tiff.TILE_OFFSETS: where,
        tiff.TILE_COUNTS: sizes,
    }


def _pieces(data: bytes, page: Layout, plane: int, name: str) -> tuple[list[int], list[int]]:
    """Return offsets and lengths of a plane's strips or tiles. Raises ImageError if incomplete."""
    rows = page.tile[0] if page.tiled else page.directory.number(tiff.ROWS, page.height)
    if min(rows, *page.tile) < 1 or page.tile[0] * page.tile[1] > _MOST_TILE:
        raise damaged("TIFF", name, "its strips or tiles have an impossible size")
    count = -(-page.height // rows) * (page.across if page.tiled else 1)
    if count > _MOST_PIECES:
        raise damaged("TIFF", name, f"it lies in {count} pieces")
    where = (tiff.TILE_OFFSETS, tiff.TILE_COUNTS)
    where = where if page.tiled else (tiff.STRIP_OFFSETS, tiff.STRIP_COUNTS)
    own = (plane * count, (plane + 1) * count)
    offsets = page.directory.numbers(where[0], *own)
    counts = page.directory.numbers(where[1], *own)
    if where[1] not in page.directory.tags and page.compression == PLAIN:
        counts = [min(rows, page.height - i * rows) * page.row_bytes for i in range(len(offsets))]
    if not len(offsets) == len(counts) == count or any(
        not 0 < o <= o + c <= len(data) for o, c in zip(offsets, counts, strict=True)
    ):
        raise damaged("TIFF", name, "its pixels do not lie in the file")
    return offsets, counts


def _plain_rows(
    data: bytes, page: Layout, offsets: list[int], counts: list[int], name: str
) -> Bytes:
    """Return the rows of uncompressed strips or tiles."""
    high = page.tile[0] if page.tiled else page.directory.number(tiff.ROWS, page.height)
    down = -(-page.height // high)
    rows = np.empty(
        (down * high if page.tiled else page.height, page.across, page.row_bytes), np.uint8
    )
    for i, (offset, count) in enumerate(zip(offsets, counts, strict=True)):
        part = rows[i // page.across * high :][:high, i % page.across]
        if count < part.size:
            raise damaged("TIFF", name, "its pixels end too early")
        part[...] = np.frombuffer(data, np.uint8, part.size, offset).reshape(part.shape)
    if page.directory.number(tiff.FILL_ORDER, 1) == 2:
        backwards = np.packbits(
            np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)[:, ::-1]
        )
        rows = backwards[rows]
    return rows.reshape(len(rows), -1)


def _by_pillow(data: bytes, page: Layout, name: str) -> Samples:
    """Decode a page with Pillow, from only the tags that decoding needs."""
    known = page.directory
    tags: Tags = {}
    for tag in (*tiff.SINGLE, *tiff.LISTED):
        values = known.tags.get(tag)
        if values is None or values.dtype.kind != "u":
            continue
        limit = {1: np.uint8, 2: np.uint16}.get(values.dtype.itemsize, np.uint32)
        values = values[:1] if tag in tiff.SINGLE else values
        tags[tag] = np.minimum(values, np.uint64(0xFFFFFFFF)).astype(limit)
    for plane in range(page.planes):
        _pieces(data, page, plane, name)
    return from_image(_loaded(tiff.rebuilt(data, known.order, tags), page, name, ""))


def _array(dtype: type[np.unsignedinteger[Any]], *values: int) -> npt.NDArray[np.generic]:
    return np.array(values, dtype)


def _loaded(data: bytes, page: Layout, name: str, mode: str) -> Any:
    # Not by `Image.open`, whose size limit would count the bytes of a row as pixels.
    image = TiffImagePlugin.TiffImageFile(io.BytesIO(data))
    if (mode and image.mode != mode) or image.mode.startswith(("I", "F")):
        raise damaged("TIFF", name, "its tags contradict each other")
    image.load()
    return image
