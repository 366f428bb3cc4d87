"""Draw heat maps over images on a fixed scale: the same colour always means the same logit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ulna.errors import ImageError
from ulna.types import Radiograph, StudyPrediction

Picture = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

# From dark red to pale yellow with rising lightness: readable with colour blindness, and
# distinct from the greys of the image.
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
    """Paint `heat_map` (H, W), in logits, over the radiograph; returns (H, W, 3) uint8.

    The scale is fixed: `limit` is the value of the last colour, which larger values share, and
    where the map is 0 or less the image stays unchanged. Raises ImageError for another shape, for
    values that are not finite and for a limit that is not positive.
    """
    heat = np.asarray(heat_map, dtype=np.float64)
    if heat.shape != radiograph.pixels.shape or not np.isfinite(heat).all():
        raise ImageError(
            f"{radiograph.source}: heat map of shape {heat.shape}: expected "
            f"{radiograph.pixels.shape}, finite numbers"
        )
    return _paint(radiograph.pixels.astype(np.float64), heat, limit)


def draw_mask(picture: Picture, mask: npt.ArrayLike, colour: Colour = TRUTH_COLOUR) -> Picture:
    """Return a copy of `picture` (H, W, 3) with the outer border of `mask` (H, W), 1 px wide.

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
    """Return a copy of `picture` (H, W, 3) with the closed line `outline` (N, 2) of (x, y)."""
    points = np.asarray(outline, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
        raise ImageError(f"outline of shape {points.shape}: expected (N, 2) with N >= 2")
    image = Image.fromarray(picture)
    # Pillow's coordinate 0 is the centre of a pixel, which is 0.5 here.
    path = [(float(x), float(y)) for x, y in np.vstack([points, points[:1]]) - 0.5]
    ImageDraw.Draw(image).line(path, fill=colour)
    return np.asarray(image, dtype=np.uint8)


def cautions(answer: StudyPrediction) -> str:
    """Return the warnings to draw on a picture of the heat maps, one per line, or ''."""
    warnings = {UNRELIABLE: answer.map_reliable is False, DEMONSTRATION: answer.demonstration}
    return "\n".join(text for text, applies in warnings.items() if applies)


def draw_note(picture: Picture, text: str) -> Picture:
    """Return a copy of `picture` (H, W, 3) with the lines of `text` in a dark strip at its top.

    Lines that are too long for the picture are wrapped.
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
