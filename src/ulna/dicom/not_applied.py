"""What is right in the header and yet not applied to the pixels: it is told."""

from __future__ import annotations

import math

import pydicom

from ulna.dicom.pixel_module import PixelModule, Tell
from ulna.dicom.values import integer, numbers, pair, text

_SQUARE = 0.02
"""Pixels whose sides differ by less, as a ratio, count as square."""


def tell_of_shape(dataset: pydicom.Dataset, tell: Tell) -> None:
    """Pixels that are not square: Pixel Aspect Ratio (0028,0034; C.7.6.3.1.7) or a spacing.

    The pixels stay as stored, since boxes and masks are in the file's own pixels.
    """
    for keyword in ("PixelAspectRatio", "ImagerPixelSpacing", "PixelSpacing"):
        sides = pair(dataset, keyword)
        if sides and abs(math.log(sides[0] / sides[1])) > _SQUARE:
            tell(
                f"its pixels are {sides[0] / sides[1]:.3g} times as high as wide ({keyword}): read "
                "as stored, so that what it shows is out of shape"
            )
            return


def tell_of_shutter(dataset: pydicom.Dataset, module: PixelModule, tell: Tell) -> None:
    """A display shutter that hides pixels: C.7.6.11, C.7.6.15. They are read as stored."""
    shapes = text(dataset, "ShutterShape").upper().split("\\")
    hides = {
        "RECTANGULAR": _rectangle_hides,
        "CIRCULAR": _circle_hides,
        "POLYGONAL": _polygon_hides,
        "BITMAP": lambda *_: True,
    }
    result = [s.strip() for s in shapes]
    result = [s for s in result if s in hides and hides[s](dataset, module)]
    if result:
        tell(
            f"its display shutter ({', '.join(result).lower()}) is not applied: pixels that it "
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
