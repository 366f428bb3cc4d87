"""Recognise images that are no radiographs from their grey values, without a model.

Blank images and colour photographs are refused by every bundle. An image with the grey values of a
printed page is not refused for that alone, since a tightly collimated radiograph has few middle
greys too. It only explains why a page was refused, once its features are out of distribution.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ulna.imaging.quantiles import percentile_pair
from ulna.types import Array, Radiograph

# Share of the grey range; the faintest 8-bit radiograph in use has twenty times as much.
_LEAST_CONTRAST = 0.02
# Images are stretched to the full range before they reach a network, so a narrow range is blank
# only with fewer grey levels than this. In 8 bits the contrast above leaves six levels.
_LEAST_GREYS = 16
# Share of coloured pixels; a letter or an arrow drawn on a radiograph stays far below.
_MOST_COLOUR = 0.10
# A pixel is coloured if a channel differs so much from the median at its grey level.
_COLOUR_STEP = 20
_GREY_STEPS = 32
# Share of pixels with a middle grey; half of all radiographs have over 0.2.
_FEW_MIDDLE_GREYS = 0.08


def inspect_pixels(radiograph: Radiograph) -> tuple[str, bool]:
    """Return `non_radiograph_reason`, and whether the image has few middle greys like a page.

    The latter means that nearly all pixels are about as dark or as bright as the extremes.
    """
    greys = radiograph.pixels[::2, ::2].reshape(-1)
    low, high = percentile_pair(greys, 1, 99)
    return _reason(radiograph, greys, low, high), _few_middle(greys, low, high)


def non_radiograph_reason(radiograph: Radiograph) -> str:
    """Return why the pixels of an image cannot be a radiograph, or '' if they can."""
    return inspect_pixels(radiograph)[0]


def _reason(radiograph: Radiograph, greys: Array, low: float, high: float) -> str:
    if high - low < _LEAST_CONTRAST and _few_greys(greys, low, high):
        return f"blank: its greys span {high - low:.3g} of the range, in fewer than {_LEAST_GREYS}"
    if radiograph.colour > _MOST_COLOUR:
        return (
            f"in colour: {radiograph.colour:.0%} of its pixels have a hue of their own, as in a "
            "photograph or a document"
        )
    return ""


def _few_greys(greys: Array, low: float, high: float) -> bool:
    """Whether there are too few grey levels from `low` to `high` to show anything."""
    inside = greys[(greys >= low) & (greys <= high)]
    return np.unique(inside).size < _LEAST_GREYS


def _few_middle(greys: Array, low: float, high: float) -> bool:
    if high <= low:
        return False
    level = greys - low
    level /= high - low
    middle = np.count_nonzero((level > 0.15) & (level < 0.85))
    return bool(middle / greys.size < _FEW_MIDDLE_GREYS)


def share_of_colour(rgb: npt.NDArray[np.floating]) -> float:
    """Return the share of the pixels (..., 3) in [0, 255] with a hue that no tint explains.

    A tinted scan has one hue at each grey level. A pixel counts as coloured if its difference of
    red or blue from green differs from the median difference at its grey level.
    """
    pixels = rgb.reshape(-1, 3).astype(np.float32)
    green = pixels[:, 1]
    level = np.minimum(green * (_GREY_STEPS / 256), _GREY_STEPS - 1).astype(np.int64)
    coloured = np.zeros(len(pixels), np.bool_)
    for channel in (0, 2):
        difference = pixels[:, channel] - green
        if not np.abs(difference).max(initial=0) > _COLOUR_STEP:
            continue
        for step in np.unique(level):
            at = level == step
            away = np.abs(difference[at] - np.median(difference[at])) > _COLOUR_STEP
            coloured[at] |= away
    return float(coloured.mean())


def negative(radiograph: Radiograph) -> Array:
    """Return the pixels (H, W) float32 in [0, 1] with inverted polarity."""
    return np.float32(1) - radiograph.pixels
