"""Covers of a part of an image: letters and their plates, collimators and cassette borders.

Each function returns the image (H, W) in [0, 1] and (H, W) whether a pixel is covered, 1 or 0.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

# Strokes of letters on a grid of width 4 and height 6, as chains of points x, y (0 is the top).
_LETTERS = {
    "R": ((0, 6, 0, 0, 3, 0, 4, 1, 4, 2, 3, 3, 0, 3), (1, 3, 4, 6)),
    "L": ((0, 0, 0, 6, 4, 6),),
    "A": ((0, 6, 2, 0, 4, 6), (1, 4, 3, 4)),
    "P": ((0, 6, 0, 0, 3, 0, 4, 1, 4, 2, 3, 3, 0, 3),),
    "M": ((0, 6, 0, 0, 2, 3, 4, 0, 4, 6),),
    "T": ((0, 0, 4, 0), (2, 0, 2, 6)),
    "E": ((4, 0, 0, 0, 0, 6, 4, 6), (0, 3, 3, 3)),
    "1": ((1, 1, 2, 0, 2, 6),),
    "7": ((0, 0, 4, 0, 1, 6),),
    "3": ((0, 0, 4, 0, 2, 2, 4, 4, 3, 6, 0, 6),),
}
_FINEST = 24
# Shares of the image's side: the largest tilt of a frame's side and width of its line.
_ASKEW, _LINE = 0.03, 0.012


def draw_letters(x: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Draw one to three words of up to three letters, bright, or dark on a bright plate.

    Heights are 2 to 9 % of the image's side. Position and orientation do not depend on the image.
    """
    x, covered = x.clone(), torch.zeros_like(x)
    for _ in range(1 + int(rng.integers(3))):
        _write_word(x, covered, rng)
    return x, covered


def _write_word(x: Tensor, covered: Tensor, rng: np.random.Generator) -> None:
    """Draw one word, in place."""
    side = max(x.shape)
    height = max(6, round(float(np.exp(rng.uniform(np.log(0.02), np.log(0.09)))) * side))
    names = rng.choice(list(_LETTERS), 1 + int(rng.integers(3)) * int(rng.random() < 0.4))
    stroke = rng.uniform(0.5, 1.1)
    word = torch.cat([_letter(str(n), round(float(stroke), 1)) for n in names], 1)
    size = (height, max(3, round(height * word.shape[1] / word.shape[0])))
    ink = torch.nn.functional.interpolate(
        word[None, None], size, mode="bilinear", align_corners=False
    )[0, 0]
    for _ in range(int(rng.integers(4)) if rng.random() < 0.3 else 0):
        ink = ink.rot90()
    if rng.random() < 0.2:
        ink = ink.flip(1)
    h, w = min(ink.shape[0], x.shape[0]), min(ink.shape[1], x.shape[1])
    top, left = int(rng.integers(x.shape[0] - h + 1)), int(rng.integers(x.shape[1] - w + 1))
    at = (slice(top, top + h), slice(left, left + w))
    ink = ink[:h, :w].to(x.device)
    bright = float(rng.uniform(0.75, 1))
    if rng.random() < 0.5:  # a plate
        x[at] = bright * (1 - ink)
        covered[at] = 1
    else:
        x[at] = x[at] * (1 - ink) + bright * ink
        covered[at] = torch.maximum(covered[at], (ink > 0.5).float())


@lru_cache(64)
def _letter(name: str, stroke: float) -> Tensor:
    """Return a letter as (24, 18) in [0, 1] with a margin; stroke: half its width in the grid."""
    rows, columns = np.mgrid[0:_FINEST, 0 : _FINEST * 3 // 4].astype(np.float64)
    x = (columns + 0.5) / (_FINEST * 3 / 4) * 6 - 1
    y = (rows + 0.5) / _FINEST * 8 - 1
    nearest = np.full(x.shape, np.inf)
    for chain in _LETTERS[name]:
        points = np.array(chain, float).reshape(-1, 2)
        for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
            dx, dy = x1 - x0, y1 - y0
            along = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
            nearest = np.minimum(nearest, np.hypot(x - x0 - along * dx, y - y0 - along * dy))
    ink = np.clip((stroke - nearest) / 0.3 + 0.5, 0, 1)
    return torch.from_numpy(ink.astype(np.float32))


def draw_frame(x: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Draw a four-sided field with one grey (mostly black) beyond it, sometimes with a line.

    Each side is drawn independently, up to a tenth of the image from its border and slightly
    tilted. One in three sides stays at the border of the image.
    """
    strips = [s for side in range(4) if (s := _strip(x, side, rng)) is not None]
    kind, lined = rng.random(), rng.random() < 0.5
    grey = 0.0 if kind < 0.5 else 1.0 if kind < 0.75 else float(rng.random())
    width, line = rng.uniform(0.002, _LINE), float(rng.choice([0.0, 0.6, 1.0]))
    x, covered = x.clone(), torch.zeros_like(x)
    for at, inside in strips if lined else []:
        _paint(x, covered, at, (inside >= 0) & (inside < width), line)
    for at, inside in strips:
        _paint(x, covered, at, inside < 0, grey)
    return x, covered


def _strip(
    x: Tensor, side: int, rng: np.random.Generator
) -> tuple[tuple[slice, slice], Tensor] | None:
    """Return the strip that contains one side of the field, and each pixel's distance to the side.

    side: 0 top, 1 bottom, 2 left, 3 right. Distances are shares of the image's side, positive
    within the field. None where the field ends with the image.
    """
    limit, slope = rng.uniform(0.005, 0.1), rng.uniform(-1, 1) * _ASKEW
    if rng.random() >= 2 / 3:
        return None
    deep, long = (x.shape[0], x.shape[1]) if side < 2 else (x.shape[1], x.shape[0])
    n = min(deep, int((limit + _ASKEW / 2 + _LINE) * deep) + 2)
    depth = (torch.arange(n, dtype=torch.float32, device=x.device) / deep)[:, None]
    along = torch.arange(long, dtype=torch.float32, device=x.device)[None] / long
    inside = depth - limit - slope * (along - 0.5)
    inside = inside.flip(0) if side % 2 else inside
    place = slice(deep - n, deep) if side % 2 else slice(0, n)
    if side < 2:
        return (place, slice(None)), inside
    return (slice(None), place), inside.T


def _paint(x: Tensor, covered: Tensor, at: tuple[slice, slice], where: Tensor, grey: float) -> None:
    x[at].masked_fill_(where, grey)
    covered[at].masked_fill_(where, 1.0)
