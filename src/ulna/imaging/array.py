"""Convert an array of pixels in memory to a `Radiograph`."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from ulna.errors import ImageError
from ulna.types import BodyPart, Radiograph

Photometric = Literal["MONOCHROME2", "MONOCHROME1"]
"""DICOM's Photometric Interpretation (0028,0004; PS3.3 C.7.6.3.1.2): whether the lowest value is
shown black (MONOCHROME2, bones are high values) or white (MONOCHROME1, bones are low values)."""
_WHOLE = {"uint8": 255, "uint16": 65535}


def radiograph_of_array(
    array: npt.ArrayLike,
    photometric: Photometric = "MONOCHROME2",
    *,
    body_part: BodyPart | None = None,
    name: str = "array",
) -> Radiograph:
    """Return the radiograph in an array of grey values.

    Parameters
    ----------
    array : (H, W) of uint8, uint16 or floating point
        Integers are divided by the largest value of their type, floats must lie in [0, 1]. The
        contrast is stretched later to the range in use, so 12-bit values in uint16 are fine.
    photometric : {"MONOCHROME2", "MONOCHROME1"}
        The polarity: whether low values are dark or bright.
    body_part : BodyPart, optional
        The body part that the image shows, if known.
    name : str
        The name of the array in messages.

    Returns
    -------
    Radiograph
        Pixels (H, W) float32 in [0, 1], bright = dense.

    Raises
    ------
    ImageError
        For another shape or type, for floats outside [0, 1] or not finite, and for an unknown
        photometric interpretation.

    Examples
    --------
    >>> import numpy as np
    >>> from ulna.imaging.array import radiograph_of_array
    >>> image = radiograph_of_array(np.full((4, 6), 255, np.uint8), "MONOCHROME1")
    >>> image.pixels.shape, float(image.pixels.max())
    ((4, 6), 0.0)
    """
    if photometric not in get_args(Photometric):
        raise ImageError(
            f"{name}: photometric interpretation {photometric!r}: expected 'MONOCHROME2' (bones "
            "are high values) or 'MONOCHROME1' (bones are low values)"
        )
    pixels = np.asarray(array)
    if pixels.ndim != 2 or pixels.size == 0:
        raise ImageError(
            f"{name}: shape {pixels.shape}: expected one grey image (height, width); for colour "
            "take one channel, for several images call once for each"
        )
    unit = _unit(pixels, name)
    return Radiograph(
        np.float32(1) - unit if photometric == "MONOCHROME1" else unit,
        source=name,
        body_part=body_part,
    )


def _unit(pixels: npt.NDArray[np.generic], name: str) -> npt.NDArray[np.float32]:
    """Return a float32 copy in [0, 1]."""
    if whole := _WHOLE.get(pixels.dtype.name):
        return np.asarray(pixels.astype(np.float32) / np.float32(whole), np.float32)
    if not np.issubdtype(pixels.dtype, np.floating):
        raise ImageError(
            f"{name}: type {pixels.dtype}: expected uint8, uint16 or floats in [0, 1]; for others "
            "(x - x.min()) / (x.max() - x.min())"
        )
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= 0 and high <= 1):  # also true for nan
        raise ImageError(
            f"{name}: floats from {low:g} to {high:g}: expected 0 to 1, all finite: "
            "(x - x.min()) / (x.max() - x.min())"
        )
    return pixels.astype(np.float32)
