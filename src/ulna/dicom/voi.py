"""VOI LUTs and windows: selection and application: PS3.3 C.11.2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pydicom

from ulna.dicom.luts import Lut, Values, full_scale, read_lut
from ulna.dicom.pixel_module import Warn
from ulna.dicom.values import items, numbers, text
from ulna.errors import DicomError

_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
_SMALLEST_WIDTH = 1e-12


class VoiTransform(NamedTuple):
    """A function from the modality's units to [0, 1], and its name for messages."""

    name: str
    apply: Callable[[Values], Values]


def voi_transforms(
    dataset: pydicom.Dataset, limits: tuple[float, float], warn: Warn
) -> Iterator[VoiTransform]:
    """Yield every usable VOI LUT, then every usable window, then the whole range `limits`.

    The first of several is the default for display. Where there are LUTs and windows, either may be
    applied (C.11.2.1); LUTs come first here, since they are more specific. Warns of unusable ones.
    """
    for number, item in enumerate(items(dataset, "VOILUTSequence"), 1):
        try:
            lut = read_lut(item, limits, warn)
        except DicomError as error:
            warn(f"VOI LUT {number} is not used: {error}")
            continue
        yield VoiTransform(f"VOI LUT {number}", partial(_scaled, lut, full_scale(lut, warn)))
    yield from _windows(dataset, warn)
    yield VoiTransform("its whole range", partial(_ranged, limits))


def _windows(dataset: pydicom.Dataset, warn: Warn) -> Iterator[VoiTransform]:
    centres, widths = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    functions = [f.strip().upper() for f in text(dataset, "VOILUTFunction").split("\\")]
    for n in range(max(len(centres), len(widths))):
        centre = centres[n] if n < len(centres) else None
        width = widths[n] if n < len(widths) else None
        name = f"window {n + 1}"
        if centre is None or width is None:
            warn(f"{name} is not used: its centre or its width is missing or no number")
            continue
        function = (functions[n] if n < len(functions) else functions[0]) or "LINEAR"
        if function not in _FUNCTIONS:
            warn(f"{name}: VOI LUT function {function!r}: expected {', '.join(_FUNCTIONS)}; LINEAR")
            function = "LINEAR"
        if width < _SMALLEST_WIDTH:
            warn(f"{name} is not used: width {width:g} at {centre:g}, expected more than 0")
            continue
        if function == "LINEAR" and width < 1:
            # C.11.2.1.2.1 requires at least 1, which does not suit units of a small slope.
            warn(f"{name}: LINEAR with width {width:g}, expected 1 or more: read as LINEAR_EXACT")
            function = "LINEAR_EXACT"
        window = partial(apply_window, centre=centre, width=width, function=function)
        yield VoiTransform(name, window)


def _scaled(lut: Lut, full: int, values: Values) -> Values:
    return lut.apply(values) / full


def apply_window(
    values: npt.ArrayLike, centre: float, width: float, function: str = "LINEAR"
) -> Values:
    """Apply a window to `values`, with results in [0, 1].

    Formulas: C.11.2.1.2 (LINEAR) and C.11.2.1.3 (SIGMOID, LINEAR_EXACT). Raises DicomError for an
    unknown VOI LUT Function (0028,1056) or a width out of range.
    """
    x = np.asarray(values, np.float64)
    if function not in _FUNCTIONS:
        raise DicomError(f"VOI LUT function {function!r}: expected {', '.join(_FUNCTIONS)}")
    smallest = 1.0 if function == "LINEAR" else _SMALLEST_WIDTH
    if not np.isfinite([centre, width]).all() or width < smallest:
        raise DicomError(f"window width {width:g} at {centre:g}: expected {smallest:g} or more")
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (x - centre) / width, -700, 700))))
    if function == "LINEAR_EXACT":
        return np.clip((x - centre) / width + 0.5, 0, 1)
    if width == 1:
        return (x > centre - 0.5).astype(np.float64)
    return np.clip((x - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


def _ranged(limits: tuple[float, float], values: Values) -> Values:
    low, high = limits
    return np.clip((values - low) / ((high - low) or 1.0), 0, 1)
