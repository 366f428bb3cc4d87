"""Convert stored values to grey levels by the grey-scale pipeline of PS3.3.

The steps are stored values (C.7.6.3.1), Modality LUT or rescale (C.11.1), VOI LUT or window
(C.11.2), and polarity (C.7.6.3.1.2, C.11.6).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom

from ulna.dicom.luts import Values, read_lut
from ulna.dicom.pixel_module import Warn, bits_stored, is_signed, polarity
from ulna.dicom.values import integer, is_empty, items, number, text
from ulna.dicom.voi import voi_transforms
from ulna.errors import DicomError, ImageWarning
from ulna.types import Array

# Pixels whose indices and greys fit into the cache.
_BAND_PIXELS = 1 << 15
# Only every n-th row is checked first for whether the image shows anything.
_SAMPLED_ROWS = 16
_NOTHING = 1e-3
"""An image whose greys spread less shows nothing."""
_RUN = 4
"""Shortest run of padding; fewer pixels may have the padding value by coincidence."""
_PATTERNS = 1 << 16
"""Number of values of 16 allocated bits."""


def stored_values(pixels: npt.NDArray[Any], dataset: pydicom.Dataset) -> npt.NDArray[np.int32]:
    """Return the Bits Stored (0028,0101) of each pixel, signed by Pixel Representation: C.7.6.3.1.

    Higher bits are masked: in old objects they may contain overlays.
    """
    bits = bits_stored(dataset)
    values = pixels.astype(np.int32) & ((1 << bits) - 1)
    if is_signed(dataset):
        values -= (values >> (bits - 1)) << bits
    return values


def stored_range(dataset: pydicom.Dataset) -> tuple[int, int]:
    """Return the smallest and largest value of Bits Stored."""
    bits = bits_stored(dataset)
    if is_signed(dataset):
        return -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1


def apply_modality(values: npt.ArrayLike, dataset: pydicom.Dataset, warn: Warn) -> Values:
    """Apply the Modality LUT (0028,3000), or else rescale slope and intercept: C.11.1.

    An unusable LUT is replaced by the rescale, and an unusable rescale by the stored values, each
    with a warning.
    """
    stored = np.asarray(values, np.float64)
    for item in items(dataset, "ModalityLUTSequence"):
        try:
            units = read_lut(item, (float(stored.min()), float(stored.max())), warn).apply(stored)
        except DicomError as error:
            warn(f"the Modality LUT is not used: {error}")
            continue
        if np.ptp(units) > 0:
            return units
        warn("the Modality LUT would make all greys equal: not applied")
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    for keyword, value in (("RescaleSlope", slope), ("RescaleIntercept", intercept)):
        if value is None and not is_empty(dataset, keyword):
            warn(f"{keyword} {text(dataset, keyword)[:40]!r} is no number: not applied")
    if slope == 0:
        warn("Rescale Slope 0 would make all greys equal: not applied")
        slope = None
    with np.errstate(over="ignore"):
        scaled = stored * (1.0 if slope is None else slope) + (intercept or 0.0)
        if np.isfinite(scaled).all() and np.isfinite(np.ptp(scaled)):
            return scaled
    warn(f"Rescale Slope {slope:g} and Intercept {intercept or 0:g} are too large: not applied")
    return stored


def is_inverted(dataset: pydicom.Dataset, name: str) -> bool:
    """Whether low values are displayed bright: C.7.6.3.1.2 and C.11.6 (Presentation LUT Shape).

    MONOCHROME1 and INVERSE both mean so, and DX objects have both for a single inversion (table
    C.8-71), so they are not applied one after the other. ImageWarning if they disagree.
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
    """Convert (H, W) stored pixels to float32 greys in [0, 1], bright where dense.

    Areas of Pixel Padding Value (0028,0120; C.7.5.1.1.2) become 0. A LUT or window that is
    unusable, or that makes all greys of this image equal, is replaced by the next one and finally
    by the whole range, with an ImageWarning. Since every step depends on the value of a pixel only,
    the pipeline is run once, over all possible values (at most 65536).
    """

    def warn(message: str) -> None:
        warnings.warn(f"{name}: {message}", ImageWarning, 4)

    low, high = stored_range(dataset)
    units = apply_modality(np.arange(low, high + 1), dataset, warn)
    # Indexed by all 16 allocated bits: the table masks those above Bits Stored.
    patterns = np.arange(_PATTERNS, dtype=np.uint16)
    stored = stored_values(patterns, dataset) - low
    padded = padding_patterns(dataset, warn)
    _warn_of_stray_bits(pixels, dataset, warn)
    inverted, table = is_inverted(dataset, name), np.zeros(_PATTERNS, np.float32)
    useless = ""
    for voi in voi_transforms(dataset, (float(units.min()), float(units.max())), warn):
        grey = voi.apply(units)
        table = (1 - grey if inverted else grey).astype(np.float32)[stored]
        if useless:
            warn(f"{useless} makes all greys of this image equal: {voi.name} is tried instead")
        if _shows(table, pixels, padded) or not _shows(stored.astype(np.float32), pixels, padded):
            break
        useless = voi.name
    greys = _looked_up(table, pixels)
    if padded.any():
        np.putmask(greys, _areas(padded[pixels.astype(np.uint16, copy=False)]), 0)
    return greys


def _shows(table: Array, pixels: npt.NDArray[Any], padded: npt.NDArray[np.bool_]) -> bool:
    """Whether the greys in `table` of the pixels that are not padding differ."""
    for step in (_SAMPLED_ROWS, 1):
        present = np.zeros(_PATTERNS, np.bool_)
        present[pixels[::step].astype(np.uint16)] = True
        greys = table[present & ~padded]
        if greys.size and float(np.ptp(greys)) > _NOTHING:
            return True
    return False


def _looked_up(table: Array, pixels: npt.NDArray[Any]) -> Array:
    """Look up the low 16 bits of each pixel in `table` (65536,), in bands of rows."""
    grey = np.empty(pixels.shape, np.float32)
    rows = max(1, _BAND_PIXELS // max(pixels.shape[1], 1))
    for start in range(0, len(pixels), rows):
        band = slice(start, start + rows)
        index = pixels[band].astype(np.uint16).astype(np.intp)
        # Every index is in the table, and 'clip' avoids the check.
        np.take(table, index, out=grey[band], mode="clip")
    return grey


def _areas(padded: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return `padded` (H, W) without pixels that are in no run of _RUN pixels, across or down.

    Padding fills areas. An isolated pixel in a limb that happens to have the padding value is a
    grey value.
    """
    kept = np.zeros_like(padded)
    if padded.any():  # most images have none
        for view, out in ((padded, kept), (padded.T, kept.T)):
            runs = view[:, : 1 - _RUN].copy(order="K")
            for n in range(1, _RUN):
                runs &= view[:, n : view.shape[1] - _RUN + 1 + n]
            for n in range(_RUN):
                out[:, n : view.shape[1] - _RUN + 1 + n] |= runs
    return kept


def padding_patterns(dataset: pydicom.Dataset, warn: Warn) -> npt.NDArray[np.bool_]:
    """Return (65536,) booleans: which 16-bit patterns are padding: C.7.5.1.1.2.

    Padding is from Pixel Padding Value to Pixel Padding Range Limit (0028,0121), inclusive, each
    signed by Pixel Representation whatever its VR. A value outside of the range of Bits Stored is
    that of the whole allocated cell, or the stored bits of a negative value.
    """
    patterns = np.arange(_PATTERNS, dtype=np.uint16)
    ends = []
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        value = integer(dataset, keyword)
        if value is None and not is_empty(dataset, keyword):
            warn(f"{keyword} {text(dataset, keyword)[:40]!r} is no whole number: not applied")
        if value is not None:
            ends.append(_as_stored(value, dataset))
    if not ends or integer(dataset, "PixelPaddingValue") is None:
        return np.zeros(_PATTERNS, np.bool_)
    low, high = min(ends), max(ends)
    stored = stored_values(patterns, dataset)
    cells = patterns.view(np.int16) if is_signed(dataset) else patterns
    return np.asarray(((stored >= low) & (stored <= high)) | ((cells >= low) & (cells <= high)))


def _as_stored(value: int, dataset: pydicom.Dataset) -> int:
    """Reinterpret the bits of a US or SS value by Pixel Representation."""
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


def _warn_of_stray_bits(pixels: npt.NDArray[Any], dataset: pydicom.Dataset, warn: Warn) -> None:
    """Warn of bits above Bits Stored that are neither an overlay (group 60xx) nor padding."""
    bits = bits_stored(dataset)
    if is_signed(dataset) or bits >= 16 or not is_empty(dataset, "PixelPaddingValue"):
        return
    stray = int(np.bitwise_or.reduce(pixels, axis=None)) >> bits
    overlays = any((0x6000 + group, 0x0102) in dataset for group in range(0, 0x20, 2))
    if stray > 0 and not overlays:
        warn(f"bits above the {bits} stored are set and carry no grey: ignored")
