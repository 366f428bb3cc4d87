"""What needs no model to be seen: a blank image, a colour photograph, the greys of a page.

The first two are refused at sight, by every bundle. A page's greys alone are not: a close
collimated image has few middle greys too. They say why a page was refused, once its features
have said that it is none of the images.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ulna.imaging.quantiles import percentile_pair
from ulna.types import Array, Radiograph

# Of the whole grey range; the faintest image of 8 bit in use shows twenty times as much.
_LEAST_CONTRAST = 0.02
# A network sees the image's own range stretched to the whole: a narrow one is blank only if it
# holds fewer greys than this. Of 8 bit the contrast above leaves six.
_LEAST_GREYS = 16
# Share of coloured pixels: a letter or an arrow drawn on an image stays far below.
_MOST_COLOUR = 0.10
# A pixel is coloured if a channel lies so far from what images of its tint have at its grey.
_COLOUR_STEP = 20
_GREY_STEPS = 32
# Of the pixels between an image's darkest and brightest; half of all images have over 0.2.
_FEW_MIDDLE_GREYS = 0.08


def first_look(radiograph: Radiograph) -> tuple[str, bool]:
    """`non_radiograph_reason`, and whether few greys are middle ones, by one grey range.

    The second: nearly all pixels are as dark or as bright as the extremes, as on a printed page.
    """
    greys = radiograph.pixels[::2, ::2].reshape(-1)
    low, high = percentile_pair(greys, 1, 99)
    return _reason(radiograph, greys, low, high), _few_middle(greys, low, high)


def non_radiograph_reason(radiograph: Radiograph) -> str:
    """Why an image is no radiograph whatever the bundle, or '' where pixels alone do not say."""
    return first_look(radiograph)[0]


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
    """Whether the greys between two of them are too few to show anything when stretched."""
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
    """Share of the pixels (..., 3) in [0, 255] with a hue that no tint explains.

    A tinted scan has one hue at each grey level: what counts is the distance of red and blue
    from green against the median at the pixel's own grey level.
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
    """(H, W) float32 in [0, 1], the same image with the other polarity."""
    return np.float32(1) - radiograph.pixels
