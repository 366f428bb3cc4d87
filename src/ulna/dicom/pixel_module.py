"""Read and check the Image Pixel Module: PS3.3 C.7.6.3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pydicom

from ulna.dicom.limits import MAX_PIXELS, MIN_SIDE
from ulna.dicom.values import integer, is_empty, text
from ulna.errors import DicomError

Warn = Callable[[str], None]
"""A callback that issues an ImageWarning of something that was repaired or ignored."""


@dataclass(frozen=True)
class PixelModule:
    """Size and storage of a frame: rows, columns, Bits Allocated and Stored, signedness; frames."""

    rows: int
    columns: int
    allocated: int
    stored: int
    signed: bool
    frames: int

    @property
    def frame_bytes(self) -> int:
        """Size of one uncompressed frame."""
        return self.rows * self.columns * self.allocated // 8


def pixel_module(dataset: pydicom.Dataset, warn: Warn) -> PixelModule:
    """Read the module and check it, before a decoder allocates memory for the pixels.

    Missing Bits Stored, Bits Allocated, High Bit and Pixel Representation are inferred with a
    warning. Raises DicomError for colour, for sizes out of bounds and for ambiguous bits.
    """
    rows, columns = integer(dataset, "Rows"), integer(dataset, "Columns")
    if rows is None or columns is None:
        raise DicomError(
            "incomplete image description: Rows (0028,0010) and Columns (0028,0011) are needed"
        )
    if min(rows, columns) < MIN_SIDE or rows * columns > MAX_PIXELS:
        raise DicomError(
            f"{columns} x {rows} px: expected at least {MIN_SIDE} px on each side "
            f"and at most {MAX_PIXELS} px"
        )
    photometric, samples = polarity(dataset), integer(dataset, "SamplesPerPixel") or 1
    if samples != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise DicomError(
            f"{photometric or 'no Photometric Interpretation'} with {samples} samples per pixel: "
            "expected MONOCHROME1 or 2"
        )
    allocated, stored = _bits(dataset, warn)
    representation = integer(dataset, "PixelRepresentation")
    if representation not in (0, 1):
        warn("Pixel Representation is missing or neither 0 nor 1: its values are read as unsigned")
    return PixelModule(
        rows, columns, allocated, stored, representation == 1, _frames(dataset, warn)
    )


def polarity(dataset: pydicom.Dataset) -> str:
    """Return Photometric Interpretation (0028,0004) in upper case and without blanks."""
    return "".join(text(dataset, "PhotometricInterpretation").split("\\")[0].split()).upper()


def bits_stored(dataset: pydicom.Dataset) -> int:
    """Return Bits Stored (0028,0101), else High Bit + 1, else Bits Allocated, else 16."""
    stored, high = integer(dataset, "BitsStored"), integer(dataset, "HighBit")
    if not stored and high is not None:
        return high + 1
    return stored or integer(dataset, "BitsAllocated") or 16


def is_signed(dataset: pydicom.Dataset) -> bool:
    """Whether Pixel Representation (0028,0103) is 1, two's complement."""
    return integer(dataset, "PixelRepresentation") == 1


def _bits(dataset: pydicom.Dataset, warn: Warn) -> tuple[int, int]:
    stored = bits_stored(dataset)
    if not integer(dataset, "BitsStored"):
        warn(f"Bits Stored is missing, 0 or no number: {stored} are assumed")
    allocated = integer(dataset, "BitsAllocated")
    if allocated is None:
        allocated = 8 if stored <= 8 else 16
        warn(f"Bits Allocated is missing or no number: {allocated} are assumed")
    if not (1 <= stored <= allocated and allocated in (8, 16)):
        raise DicomError(f"{stored} bits in {allocated}: expected 8 to 16 bits in 8 or 16")
    high = integer(dataset, "HighBit")
    if high is None:
        if not is_empty(dataset, "HighBit"):
            warn(f"High Bit is no number: {stored - 1} is assumed")
    elif high != stored - 1:
        raise DicomError(
            f"High Bit {high} with {stored} bits stored: expected {stored - 1} (PS3.5 8.1.1); "
            "which bits hold the greys cannot be known: export the object again"
        )
    return allocated, stored


def _frames(dataset: pydicom.Dataset, warn: Warn) -> int:
    frames = integer(dataset, "NumberOfFrames")
    if frames is None or frames < 1:
        if not is_empty(dataset, "NumberOfFrames"):
            warn("Number of Frames is no number above 0: one frame is assumed")
        return 1
    if frames > 1:
        warn(f"{frames} frames: only the first is read")
    return frames
