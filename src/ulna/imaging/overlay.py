"""A heat map on its radiograph, in fixed units: the same colour always means the same logit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ulna.errors import ImageError
from ulna.types import Radiograph, StudyPrediction

Picture = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

# One hue family from dark red to pale yellow, lightness rising: readable without colour
# vision too, and no colour of it is a grey of the image.
_LEVELS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
_COLOURS = np.array(
    [[110, 10, 60], [175, 25, 45], [225, 75, 25], [250, 145, 25], [255, 230, 130]], dtype=np.float64
)
_MAX_OPACITY = 0.75
_FULL_AT = 0.5
TRUTH_COLOUR: Colour = (64, 200, 255)
FINDING_COLOUR: Colour = (255, 255, 255)
NOTE_COLOUR: Colour = (255, 200, 80)
UNRELIABLE = "map unreliable: failed its examination"
DEMONSTRATION = "demonstration: not for patients"


def draw_overlay(radiograph: Radiograph, heat_map: npt.ArrayLike, limit: float) -> Picture:
    """(H, W, 3) uint8: the radiograph with `heat_map` (H, W), in logit units, painted over it.

    The scale is fixed: `limit` is the value with the last colour, values above it look the
    same, and where the map is 0 or less the image is left exactly as it is. Raises ImageError
    for another shape, for values that are not finite and for a limit that is not positive.
    """
    heat = np.asarray(heat_map, dtype=np.float64)
    if heat.shape != radiograph.pixels.shape or not np.isfinite(heat).all():
        raise ImageError(
            f"{radiograph.source}: heat map of shape {heat.shape}: expected "
            f"{radiograph.pixels.shape}, finite numbers"
        )
    return _paint(radiograph.pixels.astype(np.float64), heat, limit)


def draw_mask(picture: Picture, mask: npt.ArrayLike, colour: Colour = TRUTH_COLOUR) -> Picture:
    """A copy of `picture` (H, W, 3) with the outer border of `mask` (H, W) drawn, 1 px wide.

    Raises ImageError if the two differ in size.
    """
    from scipy import ndimage

    inside = np.asarray(mask) != 0
    if inside.shape != picture.shape[:2]:
        raise ImageError(f"mask of shape {inside.shape}: expected {picture.shape[:2]}")
    result = picture.copy()
    result[ndimage.binary_dilation(inside) & ~inside] = colour
    return result


def draw_outline(
    picture: Picture, outline: npt.ArrayLike, colour: Colour = FINDING_COLOUR
) -> Picture:
    """A copy of `picture` (H, W, 3) with the closed line `outline` (N, 2) of x, y drawn."""
    points = np.asarray(outline, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
        raise ImageError(f"outline of shape {points.shape}: expected (N, 2) with N >= 2")
    image = Image.fromarray(picture)
    # Pillow draws at pixel centres: its coordinate 0 is our 0.5.
    path = [(float(x), float(y)) for x, y in np.vstack([points, points[:1]]) - 0.5]
    ImageDraw.Draw(image).line(path, fill=colour)
    return np.asarray(image, dtype=np.uint8)


def cautions(answer: StudyPrediction) -> str:
    """What a picture of the answer's maps must say of them, a line each; '' for nothing."""
    message = {UNRELIABLE: answer.map_reliable is False, DEMONSTRATION: answer.demonstration}
    return "\n".join(text for text, true in message.items() if true)


def draw_note(picture: Picture, text: str) -> Picture:
    """A copy of `picture` (H, W, 3) with the lines of `text` in a dark strip along its top.

    A line that is too long for the picture goes on below.
    """
    image = Image.fromarray(picture)
    size = max(11, image.width // 24)
    font = ImageFont.load_default(size)
    draw = ImageDraw.Draw(image)
    line_height = round(1.5 * size)
    lines = [w for t in text.splitlines() for w in _wrapped(t, font, image.width - 2 * (size // 3))]
    for number, line in enumerate(lines):
        top = number * line_height
        draw.rectangle((0, top, image.width, top + line_height), fill=(0, 0, 0))
        draw.text((size // 3, top + size // 5), line, fill=NOTE_COLOUR, font=font)
    return np.asarray(image, dtype=np.uint8)


def _wrapped(text: str, font: Any, width: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _paint(grey: npt.NDArray[np.float64], heat: npt.NDArray[np.float64], limit: float) -> Picture:
    if not np.isfinite(limit) or limit <= 0:
        raise ImageError(f"limit {limit}: expected a positive number of logits")
    level = np.clip(heat / limit, 0, 1)
    opacity = (_MAX_OPACITY * np.clip(level / _FULL_AT, 0, 1))[..., None]
    colour = np.stack([np.interp(level, _LEVELS, channel) for channel in _COLOURS.T], axis=-1)
    image = np.rint(np.clip(grey, 0, 1) * 255)[..., None]
    return np.rint(image * (1 - opacity) + colour * opacity).astype(np.uint8)
