"""Warnings of valid attributes that are not applied: pixel aspect ratio and display shutter."""

from __future__ import annotations

import math

import pydicom

from ulna.dicom.pixel_module import PixelModule, Warn
from ulna.dicom.values import integer, numbers, pair, text

_SQUARE = 0.02
"""Pixels count as square if the logarithm of the ratio of their sides is below this."""


def warn_of_non_square_pixels(dataset: pydicom.Dataset, warn: Warn) -> None:
    """Warn of non-square pixels, by Pixel Aspect Ratio (0028,0034; C.7.6.3.1.7) or a spacing.

    The pixels are read as stored, since boxes and masks refer to the stored pixels.
    """
    for keyword in ("PixelAspectRatio", "ImagerPixelSpacing", "PixelSpacing"):
        sides = pair(dataset, keyword)
        if sides and abs(math.log(sides[0] / sides[1])) > _SQUARE:
            warn(
                f"its pixels are {sides[0] / sides[1]:.3g} times as high as wide ({keyword}): read "
                "as stored, so the anatomy is distorted"
            )
            return


def warn_of_shutter(dataset: pydicom.Dataset, module: PixelModule, warn: Warn) -> None:
    """Warn of a display shutter that hides pixels (C.7.6.11, C.7.6.15); it is not applied."""
    shapes = text(dataset, "ShutterShape").upper().split("\\")
    hides = {
        "RECTANGULAR": _rectangle_hides,
        "CIRCULAR": _circle_hides,
        "POLYGONAL": _polygon_hides,
        "BITMAP": lambda *_: True,
    }
    shapes = [s.strip() for s in shapes]
    shapes = [s for s in shapes if s in hides and hides[s](dataset, module)]
    if shapes:
        warn(
            f"its display shutter ({', '.join(shapes).lower()}) is not applied: pixels that it "
            "hides in a viewer are read too"
        )


def _rectangle_hides(dataset: pydicom.Dataset, module: PixelModule) -> bool:
    left, right, upper, lower = (
        integer(dataset, f"Shutter{edge}Edge")
        for edge in ("LeftVertical", "RightVertical", "UpperHorizontal", "LowerHorizontal")
    )
    if left is None or right is None or upper is None or lower is None:
        return False
    inside = left > 1 or upper > 1 or right < module.columns or lower < module.rows
    return inside and left < right and upper < lower


def _circle_hides(dataset: pydicom.Dataset, module: PixelModule) -> bool:
    centre, radius = (
        pair(dataset, "CenterOfCircularShutter"),
        integer(dataset, "RadiusOfCircularShutter"),
    )
    if centre is None or radius is None or radius <= 0:
        return False
    row, column = centre
    corner = math.hypot(max(row - 1, module.rows - row), max(column - 1, module.columns - column))
    return corner > radius


def _polygon_hides(dataset: pydicom.Dataset, module: PixelModule) -> bool:
    vertices = numbers(dataset, "VerticesOfThePolygonalShutter")
    return len(vertices) >= 6 and None not in vertices
