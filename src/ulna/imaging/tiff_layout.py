"""The layout of the samples in a TIFF page, and the choice of the page to read.

Section numbers are those of TIFF 6.0.
"""

from __future__ import annotations

from dataclasses import dataclass

from ulna.dicom.limits import MAX_PIXELS
from ulna.errors import ImageError
from ulna.imaging import tiff
from ulna.imaging.tiff import Directory

WHITE_IS_ZERO, RGB = 0, 2
PLAIN = 1
# A first page this many times smaller than a later one is taken for its thumbnail.
_THUMBNAIL = 4


@dataclass(frozen=True)
class Layout:
    """The layout of a page's samples. kind: 1 unsigned, 2 signed, 3 floating point (section 19)."""

    directory: Directory
    width: int
    height: int
    bits: int
    samples: int
    kind: int
    photometric: int
    compression: int
    predictor: int
    separate: bool
    alpha: int
    tile: tuple[int, int]

    @property
    def tiled(self) -> bool:
        return tiff.TILE_OFFSETS in self.directory.tags

    @property
    def colours(self) -> int:
        return 3 if self.photometric == RGB else 1

    @property
    def planes(self) -> int:
        return self.samples if self.separate else 1

    @property
    def in_row(self) -> int:
        """Number of samples in one row of a strip or tile."""
        return self.tile[1] * (1 if self.separate else self.samples)

    @property
    def row_bytes(self) -> int:
        return (self.in_row * self.bits + 7) // 8

    @property
    def across(self) -> int:
        return -(-self.width // self.tile[1])


def layout_of(directory: Directory) -> Layout:
    """Return the layout stated by a directory, with the defaults of section 8."""
    width, height = directory.number(tiff.WIDTH, 0), directory.number(tiff.HEIGHT, 0)
    tile = (height, width)
    if tiff.TILE_OFFSETS in directory.tags:
        tile = (directory.number(tiff.TILE_HEIGHT, 0), directory.number(tiff.TILE_WIDTH, 0))
    photometric = directory.number(tiff.PHOTOMETRIC, WHITE_IS_ZERO)
    extra = directory.numbers(tiff.EXTRA)
    samples = directory.number(tiff.SAMPLES, 1)
    unnamed = samples - (3 if photometric == RGB else 1) - len(extra)
    return Layout(
        directory,
        width,
        height,
        directory.number(tiff.BITS, 1),
        samples,
        directory.number(tiff.FORMAT, 1),
        photometric,
        directory.number(tiff.COMPRESSION, PLAIN),
        directory.number(tiff.PREDICTOR, 1),
        directory.number(tiff.PLANAR, 1) == 2 and samples > 1,
        # Section 18: alpha 1 is premultiplied, 2 is not; some writers omit the tag.
        next((e for e in extra if e in (1, 2)), 2 if unnamed == 1 and not extra else 0),
        tile,
    )


def select_page(pages: list[Layout]) -> int:
    """Return the index of the first page that is no thumbnail, by its tag or its size."""
    full = [i for i, p in enumerate(pages) if not p.directory.number(tiff.SUBFILE, 0) & 1]
    first = full[0] if full else 0
    sizes = [pages[i].width * pages[i].height for i in full]
    sizes = [size if size <= MAX_PIXELS else 0 for size in sizes]
    if sizes and max(sizes) >= _THUMBNAIL * sizes[0]:
        return full[sizes.index(max(sizes))]
    return first


def check_layout(page: Layout, name: str) -> None:
    """Raise ImageError for samples that are not greys or colours of up to 32 bits."""
    bits = page.directory.numbers(tiff.BITS)
    whole = page.kind in (1, 2) and (page.bits <= 16 or page.bits == 32)
    signed = page.kind == 2 and page.bits not in (8, 16, 32)
    if not (whole or (page.kind == 3 and page.bits in (16, 32))) or signed or len(set(bits)) > 1:
        kind = {1: "whole numbers", 2: "signed numbers", 3: "floats"}.get(page.kind, "samples")
        raise ImageError(
            f"{name}: TIFF of {page.bits}-bit {kind}: expected 8 or 16 bit, or 32-bit floats from "
            "0 to 1; save it as a 16-bit PNG"
        )
    if not page.colours <= page.samples <= page.colours + 8:
        raise ImageError(
            f"{name}: TIFF of {page.samples} samples a pixel: expected {page.colours}, and alpha "
            "at most; save it as a 16-bit PNG"
        )
