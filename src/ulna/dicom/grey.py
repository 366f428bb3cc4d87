"""Stored values to grey levels: pure functions, each with its clause of DICOM PS3.3.

The order is the standard's (PS3.3 C.11.1, C.11.2, C.7.6.3.1.2): stored value, modality
transformation, values of interest, polarity.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom

from ulna.errors import DicomError, ImageWarning
from ulna.types import Array

Values = npt.NDArray[np.float64]
# Whose indices and greys stay in the cache while they are looked up.
_BAND_PIXELS = 1 << 15


def stored_values(pixels: npt.NDArray[Any], dataset: pydicom.Dataset) -> npt.NDArray[np.int32]:
    """The Bits Stored (0028,0101) of each pixel, signed by Pixel Representation: C.7.6.3.1.

    Bits above them may hold overlays in old objects and carry no grey.
    """
    bits = int(dataset.BitsStored)
    values = pixels.astype(np.int32) & ((1 << bits) - 1)
    if int(dataset.get("PixelRepresentation", 0)) == 1:
        values -= (values >> (bits - 1)) << bits
    return values


def stored_range(dataset: pydicom.Dataset) -> tuple[int, int]:
    """Smallest and largest value that Bits Stored can hold."""
    bits = int(dataset.BitsStored)
    if int(dataset.get("PixelRepresentation", 0)) == 1:
        return -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return 0, (1 << bits) - 1


def apply_modality(values: npt.ArrayLike, dataset: pydicom.Dataset) -> Values:
    """Modality LUT (0028,3000) or else rescale slope and intercept: C.11.1."""
    items = dataset.get("ModalityLUTSequence")
    if items:
        return apply_lut(values, items[0])[0]
    slope, intercept = _first(dataset, "RescaleSlope"), _first(dataset, "RescaleIntercept")
    scaled = np.asarray(values, np.float64) * (1.0 if slope is None else slope)
    return scaled + (0.0 if intercept is None else intercept)


def apply_lut(values: npt.ArrayLike, item: pydicom.Dataset) -> tuple[Values, int]:
    """Look `values` up in a LUT item; the result and its full scale: C.11.1.1, C.11.2.1.1.

    LUT Descriptor: number of entries (0 means 65536), first value mapped, bits per entry.
    Values below the first entry take the first, values above the last the last. Full scale is
    2^bits - 1, or the largest entry where a wrong descriptor understates it.
    """
    count, first, bits = (int(v) for v in item.LUTDescriptor)
    count = count or 1 << 16
    table = _table(item, count, bits)
    index = np.clip(np.rint(np.asarray(values, np.float64)) - first, 0, table.size - 1)
    return table[index.astype(np.int64)], max((1 << bits) - 1, int(table.max()))


def _table(item: pydicom.Dataset, count: int, bits: int) -> Values:
    data: Any = item.LUTData
    if isinstance(data, bytes):
        entries = np.frombuffer(data, "<u2" if len(data) >= 2 * count else "u1")
    else:
        entries = np.atleast_1d(np.asarray(data, dtype=np.int64)) & 0xFFFF
        if entries.size < count:  # 8-bit entries, two to a word: C.11.1.1.1
            entries = np.stack([entries & 0xFF, entries >> 8], axis=1).reshape(-1)
    if not 8 <= bits <= 16 or entries.size < count:
        raise DicomError(f"LUT of {entries.size} entries with {bits} bits: expected {count}")
    return entries[:count].astype(np.float64)


def apply_window(
    values: npt.ArrayLike, centre: float, width: float, function: str = "LINEAR"
) -> Values:
    """`values` through a window to [0, 1]: C.11.2.1.2 (LINEAR), C.11.2.1.3 (the others).

    Raises DicomError for an unknown VOI LUT Function (0028,1056) or a width out of range.
    """
    x = np.asarray(values, np.float64)
    smallest = {"LINEAR": 1.0, "LINEAR_EXACT": 0.0, "SIGMOID": 0.0}
    if function not in smallest:
        raise DicomError(f"VOI LUT function {function!r}: expected {', '.join(smallest)}")
    if not np.isfinite([centre, width]).all() or width < 1e-12 or width < smallest[function]:
        raise DicomError(f"window width {width:g} at {centre:g}: expected 1 or more")
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (x - centre) / width, -700, 700))))
    if function == "LINEAR_EXACT":
        return np.clip((x - centre) / width + 0.5, 0, 1)
    if width == 1:
        return (x > centre - 0.5).astype(np.float64)
    return np.clip((x - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


def apply_voi(values: Values, dataset: pydicom.Dataset, limits: tuple[float, float]) -> Values:
    """Values of interest to [0, 1]: VOI LUT (0028,3010) or window, the first of several: C.11.2.

    Without either the whole range `limits` of the modality's output is shown. Both present:
    either may be applied (C.11.2.1); the LUT is, since it is the more specific.
    """
    items = dataset.get("VOILUTSequence")
    if items:
        result, full = apply_lut(values, items[0])
        return result / full
    centre, width = _first(dataset, "WindowCenter"), _first(dataset, "WindowWidth")
    if centre is not None and width is not None:
        function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
        return apply_window(values, centre, width, function)
    low, high = limits
    return np.clip((values - low) / ((high - low) or 1.0), 0, 1)


def _first(dataset: pydicom.Dataset, keyword: str) -> float | None:
    value: Any = dataset.get(keyword)
    if value is None or value == "":
        return None
    numbers = [value] if isinstance(value, (int, float)) else list(value)
    return float(numbers[0]) if numbers else None


def is_inverted(dataset: pydicom.Dataset, name: str) -> bool:
    """Whether low values are meant to be bright: C.7.6.3.1.2 and C.11.6 (Presentation LUT Shape).

    MONOCHROME1 and INVERSE both say so, and DX objects carry both for one inversion (table
    C.8-71): they are not applied one after the other. Where they disagree, ImageWarning.
    """
    first = str(dataset.PhotometricInterpretation).strip() == "MONOCHROME1"
    shape = str(dataset.get("PresentationLUTShape") or "").strip().upper()
    if shape and (shape == "INVERSE") != first:
        warnings.warn(
            f"{name}: {dataset.PhotometricInterpretation} with Presentation LUT Shape {shape}: "
            "expected INVERSE with MONOCHROME1 and IDENTITY with MONOCHROME2; shown inverted",
            ImageWarning,
            5,
        )
    return first or shape == "INVERSE"


def grey_levels(pixels: npt.NDArray[Any], dataset: pydicom.Dataset, name: str) -> Array:
    """(H, W) stored pixels -> float32 in [0, 1], bright = dense, in the standard's order.

    Pixels with Pixel Padding Value (0028,0120; C.7.5.1.1.2) become 0. Every step acts on a
    pixel's value alone, so the chain runs once over the at most 65536 values there can be.
    """
    low, high = stored_range(dataset)
    values = np.arange(low, high + 1)
    units = apply_modality(values, dataset)
    grey = apply_voi(units, dataset, (float(units.min()), float(units.max())))
    if is_inverted(dataset, name):
        grey = 1 - grey
    padding = dataset.get("PixelPaddingValue")
    if padding is not None:
        grey[_padded(values, int(padding), dataset)] = 0
    # By what 16 allocated bits can hold: the bits beyond Bits Stored are masked in the table.
    patterns = np.arange(1 << 16, dtype=np.uint16)
    return _looked_up(grey.astype(np.float32)[stored_values(patterns, dataset) - low], pixels)


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


def _padded(
    stored: npt.NDArray[np.signedinteger], value: int, dataset: pydicom.Dataset
) -> npt.NDArray[np.bool_]:
    """Between Pixel Padding Value and Pixel Padding Range Limit (0028,0121), both included."""
    limit = dataset.get("PixelPaddingRangeLimit")
    ends = (value, value if limit is None else int(limit))
    return np.asarray((stored >= min(ends)) & (stored <= max(ends)))
