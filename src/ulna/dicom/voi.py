"""Values of interest: which of the object's LUTs and windows, and what it does: PS3.3 C.11.2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pydicom

from ulna.dicom.luts import Lut, Values, full_scale, read_lut
from ulna.dicom.pixel_module import Tell
from ulna.dicom.values import items, numbers, text
from ulna.errors import DicomError

_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
_SMALLEST_WIDTH = 1e-12


class Voi(NamedTuple):
    """A way from the modality's units to [0, 1], and its name for messages."""

    name: str
    apply: Callable[[Values], Values]


def ways(dataset: pydicom.Dataset, limits: tuple[float, float], tell: Tell) -> Iterator[Voi]:
    """Every usable VOI LUT, then every usable window, then the whole range `limits`.

    Of several the first is meant for display, and either kind may be applied where both are
    there (C.11.2.1); the LUT is, since it is the more specific. What is not usable is told.
    """
    for number, item in enumerate(items(dataset, "VOILUTSequence"), 1):
        try:
            lut = read_lut(item, limits, tell)
        except DicomError as error:
            tell(f"VOI LUT {number} is not used: {error}")
            continue
        yield Voi(f"VOI LUT {number}", _scaled(lut, full_scale(lut, tell)))
    yield from _windows(dataset, tell)
    yield Voi("its whole range", lambda values: _ranged(values, limits))


def _windows(dataset: pydicom.Dataset, tell: Tell) -> Iterator[Voi]:
    centres, widths = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    functions = [f.strip().upper() for f in text(dataset, "VOILUTFunction").split("\\")]
    for n in range(max(len(centres), len(widths))):
        centre = centres[n] if n < len(centres) else None
        width = widths[n] if n < len(widths) else None
        name = f"window {n + 1}"
        if centre is None or width is None:
            tell(f"{name} is not used: its centre or its width is missing or no number")
            continue
        function = (functions[n] if n < len(functions) else functions[0]) or "LINEAR"
        if function not in _FUNCTIONS:
            tell(f"{name}: VOI LUT function {function!r}: expected {', '.join(_FUNCTIONS)}; LINEAR")
            function = "LINEAR"
        if width < _SMALLEST_WIDTH:
            tell(f"{name} is not used: width {width:g} at {centre:g}, expected more than 0")
            continue
        if function == "LINEAR" and width < 1:
            # C.11.2.1.2.1 wants at least 1, and subtracts it: no line for units of small slope.
            tell(f"{name}: LINEAR with width {width:g}, expected 1 or more: read as LINEAR_EXACT")
            function = "LINEAR_EXACT"
        yield Voi(name, _window(centre, width, function))


def _scaled(lut: Lut, full: int) -> Callable[[Values], Values]:
    return lambda values: lut.apply(values) / full


def _window(centre: float, width: float, function: str) -> Callable[[Values], Values]:
    return lambda values: apply_window(values, centre, width, function)


def apply_window(
    values: npt.ArrayLike, centre: float, width: float, function: str = "LINEAR"
) -> Values:
    """`values` through a window to [0, 1]: C.11.2.1.2 (LINEAR), C.11.2.1.3 (the others).

    Raises DicomError for an unknown VOI LUT Function (0028,1056) or a width out of range.
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


def _ranged(values: Values, limits: tuple[float, float]) -> Values:
    low, high = limits
    return np.clip((values - low) / ((high - low) or 1.0), 0, 1)
