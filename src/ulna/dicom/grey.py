"""Stored values to grey levels, in the standard's order, each step with its clause of PS3.3.

The order is that of C.11.1, C.11.2 and C.7.6.3.1.2: stored value, modality transformation, values
of interest, polarity.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom

from ulna.dicom.luts import Values, read_lut
from ulna.dicom.pixel_module import Tell, bits_stored, is_signed, polarity
from ulna.dicom.values import integer, is_empty, items, number, text
from ulna.dicom.voi import ways
from ulna.errors import DicomError, ImageWarning
from ulna.types import Array

# Whose indices and greys stay in the cache while they are looked up.
_BAND_PIXELS = 1 << 15
# Every n-th row is looked at first to see whether an image shows anything.
_SAMPLED_ROWS = 16
_NOTHING = 1e-3
"""Greys that spread less show nothing."""
_RUN = 4
"""Pixels in a row that make padding of what might be a coincidence."""
_PATTERNS = 1 << 16
"""What 16 allocated bits can hold."""


def stored_values(pixels: npt.NDArray[Any], dataset: pydicom.Dataset) -> npt.NDArray[np.int32]:
    """The Bits Stored (0028,0101) of each pixel, signed by Pixel Representation: C.7.6.3.1.

    Bits above them may hold overlays in old objects and carry no grey.
    """
    bits = bits_stored(dataset)
    values = pixels.astype(np.int32) & ((1 << bits) - 1)
    if is_signed(dataset):
        values -= (values >> (bits - 1)) << bits
    return values


def stored_range(dataset: pydicom.Dataset) -> tuple[int, int]:
    """Smallest and largest value that Bits Stored can hold."""
    bits = bits_stored(dataset)
    if is_signed(dataset):
        return -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1


def apply_modality(values: npt.ArrayLike, dataset: pydicom.Dataset, tell: Tell) -> Values:
    """Modality LUT (0028,3000) or else rescale slope and intercept: C.11.1.

    What is not usable is told, and the next takes its place: the LUT's the rescale, the
    rescale's the stored values themselves.
    """
    result = np.asarray(values, np.float64)
    for item in items(dataset, "ModalityLUTSequence"):
        try:
            units = read_lut(item, (float(result.min()), float(result.max())), tell).apply(result)
        except DicomError as error:
            tell(f"the Modality LUT is not used: {error}")
            continue
        if np.ptp(units) > 0:
            return units
        tell("the Modality LUT would make all greys equal: not applied")
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    for keyword, value in (("RescaleSlope", slope), ("RescaleIntercept", intercept)):
        if value is None and not is_empty(dataset, keyword):
            tell(f"{keyword} {text(dataset, keyword)[:40]!r} is no number: not applied")
    if slope == 0:
        tell("Rescale Slope 0 would make all greys equal: not applied")
        slope = None
    with np.errstate(over="ignore"):
        scaled = result * (1.0 if slope is None else slope) + (intercept or 0.0)
        if np.isfinite(scaled).all() and np.isfinite(np.ptp(scaled)):
            return scaled
    tell(f"Rescale Slope {slope:g} and Intercept {intercept or 0:g} are too large: not applied")
    return result


def is_inverted(dataset: pydicom.Dataset, name: str) -> bool:
    """Whether low values are meant to be bright: C.7.6.3.1.2 and C.11.6 (Presentation LUT Shape).

    MONOCHROME1 and INVERSE both say so, and DX objects carry both for one inversion (table
    C.8-71): they are not applied one after the other. Where they disagree, ImageWarning.
    """
    first = polarity(dataset) == "MONOCHROME1"
    shape = text(dataset, "PresentationLUTShape").upper()
    if shape and (shape == "INVERSE") != first:
        warnings.warn(
            f"{name}: {polarity(dataset)} with Presentation LUT Shape {shape}: "
            "expected INVERSE with MONOCHROME1 and IDENTITY with MONOCHROME2; shown inverted",
            ImageWarning,
            5,
        )
    return first or shape == "INVERSE"


def grey_levels(pixels: npt.NDArray[Any], dataset: pydicom.Dataset, name: str) -> Array:
    """(H, W) stored pixels -> float32 in [0, 1], bright = dense, in the standard's order.

    Areas of Pixel Padding Value (0028,0120; C.7.5.1.1.2) become 0. A LUT or window that
    cannot be used, or that makes all greys of this image equal, gives way to the next, at last
    to the whole range; ImageWarning says so. Every step acts on a pixel's value alone, so the
    chain runs once over the at most 65536 values there can be.
    """

    def tell(what: str) -> None:
        warnings.warn(f"{name}: {what}", ImageWarning, 4)

    low, high = stored_range(dataset)
    units = apply_modality(np.arange(low, high + 1), dataset, tell)
    # By what 16 allocated bits can hold: the bits beyond Bits Stored are masked in the table.
    patterns = np.arange(_PATTERNS, dtype=np.uint16)
    stored = stored_values(patterns, dataset) - low
    padded = padding_patterns(dataset, tell)
    _tell_of_stray_bits(pixels, dataset, tell)
    inverted, table = is_inverted(dataset, name), np.zeros(_PATTERNS, np.float32)
    useless = ""
    for way in ways(dataset, (float(units.min()), float(units.max())), tell):
        grey = way.apply(units)
        table = (1 - grey if inverted else grey).astype(np.float32)[stored]
        if useless:
            tell(f"{useless} makes all greys of this image equal: {way.name} is tried instead")
        if _shows(table, pixels, padded) or not _shows(stored.astype(np.float32), pixels, padded):
            break
        useless = way.name
    result = _looked_up(table, pixels)
    if padded.any():
        np.putmask(result, _areas(padded[pixels.astype(np.uint16, copy=False)]), 0)
    return result


def _shows(table: Array, pixels: npt.NDArray[Any], padded: npt.NDArray[np.bool_]) -> bool:
    """Whether the greys of the pixels that are no padding differ under `table`."""
    for step in (_SAMPLED_ROWS, 1):
        present = np.zeros(_PATTERNS, np.bool_)
        present[pixels[::step].astype(np.uint16)] = True
        greys = table[present & ~padded]
        if greys.size and float(np.ptp(greys)) > _NOTHING:
            return True
    return False


def _looked_up(table: Array, pixels: npt.NDArray[Any]) -> Array:
    """`table` (65536,) at the low 16 bits of each of `pixels`, a band of rows at a time."""
    grey = np.empty(pixels.shape, np.float32)
    rows = max(1, _BAND_PIXELS // max(pixels.shape[1], 1))
    for start in range(0, len(pixels), rows):
        band = slice(start, start + rows)
        index = pixels[band].astype(np.uint16).astype(np.intp)
        # Every index is in the table: 'clip' spares the check.
        np.take(table, index, out=grey[band], mode="clip")
    return grey


def _areas(padded: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """`padded` (H, W) without its specks: what no run of _RUN pixels, across or down, covers.

    Padding fills areas up to a rectangle; a single pixel amid a limb that happens to have the
    padding's value is a grey.
    """
    kept = np.zeros_like(padded)
    if padded.any():  # most images hold none
        for view, out in ((padded, kept), (padded.T, kept.T)):
            runs = view[:, : 1 - _RUN].copy(order="K")
            for n in range(1, _RUN):
                runs &= view[:, n : view.shape[1] - _RUN + 1 + n]
            for n in range(_RUN):
                out[:, n : view.shape[1] - _RUN + 1 + n] |= runs
    return kept


def padding_patterns(dataset: pydicom.Dataset, tell: Tell) -> npt.NDArray[np.bool_]:
    """(65536,) which patterns of 16 bits are padding: C.7.5.1.1.2.

    Between Pixel Padding Value and Pixel Padding Range Limit (0028,0121), both included and each
    read as signed or not by Pixel Representation, whatever its VR. A value that Bits Stored
    cannot hold is that of the whole allocated cell, or the bits stored of a negative value.
    """
    patterns = np.arange(_PATTERNS, dtype=np.uint16)
    ends = []
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        value = integer(dataset, keyword)
        if value is None and not is_empty(dataset, keyword):
            tell(f"{keyword} {text(dataset, keyword)[:40]!r} is no whole number: not applied")
        if value is not None:
            ends.append(_as_stored(value, dataset))
    if not ends or integer(dataset, "PixelPaddingValue") is None:
        return np.zeros(_PATTERNS, np.bool_)
    low, high = min(ends), max(ends)
    stored = stored_values(patterns, dataset)
    cells = patterns.view(np.int16) if is_signed(dataset) else patterns
    return np.asarray(((stored >= low) & (stored <= high)) | ((cells >= low) & (cells <= high)))


def _as_stored(value: int, dataset: pydicom.Dataset) -> int:
    """A value of US or SS as Pixel Representation reads the same bits."""
    low, high = stored_range(dataset)
    if value > 0x7FFFFFFF:
        value -= 1 << 32  # a negative number of 32 bits
    if low <= value <= high:
        return value
    if low < 0 and high < value <= 2 * high + 1:
        return value - 2 * (high + 1)
    if low < 0 and 0x8000 <= value <= 0xFFFF:
        return value - 0x10000
    return value + 0x10000 if low == 0 and -0x8000 <= value < 0 else value


def _tell_of_stray_bits(pixels: npt.NDArray[Any], dataset: pydicom.Dataset, tell: Tell) -> None:
    """Bits above Bits Stored that no overlay (group 60xx) and no padding explains."""
    bits = bits_stored(dataset)
    if is_signed(dataset) or bits >= 16 or not is_empty(dataset, "PixelPaddingValue"):
        return
    stray = int(np.bitwise_or.reduce(pixels, axis=None)) >> bits
    overlays = any((0x6000 + group, 0x0102) in dataset for group in range(0, 0x20, 2))
    if stray > 0 and not overlays:
        tell(f"bits above the {bits} stored are set and carry no grey: ignored")
