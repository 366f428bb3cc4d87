"""Where the picture lies on an image that has bars, frames or plain air around it."""

from __future__ import annotations

import numpy as np

from ulna.imaging.geometry import Part
from ulna.types import Array

# Lines are compared at no more than about so many pixels a side.
_LOOKED_AT = 512
# Of the image's range: what the greys of a plain line span, but for this share of its pixels at
# either end (a frame's corners, dust).
_PLAIN, _ODD = 0.04, 0.02
# No less of a side is left: beyond that there is no picture to be found.
_LEAST = 0.25


def picture_part(pixels: Array) -> Part:
    """(left, top, width, height) in px of what is left of an image without its plain border lines.

    A row or column at the border goes where its greys hardly differ: bars of a letterbox, the
    frame of a cassette, air. What is left has no such line at its four borders. Lines with a
    letter in them stay, and so does all beyond: nothing of a limb may be lost. An image that is
    plain nearly everywhere stays whole. Deterministic; looks at about 512 lines a side.
    """
    height, width = pixels.shape
    step = max(1, max(height, width) // _LOOKED_AT)
    seen = pixels[::step, ::step]
    low, high = np.percentile(seen, (0.5, 99.5))
    if high <= low:
        return 0, 0, width, height
    plain = _PLAIN * float(high - low)
    top, bottom, left, right = 0, seen.shape[0], 0, seen.shape[1]
    while True:
        before = top, bottom, left, right
        first, last = _inner(seen[top:bottom, left:right], plain)
        top, bottom = top + first, top + last
        first, last = _inner(seen[top:bottom, left:right].T, plain)
        left, right = left + first, left + last
        if (bottom - top) < _LEAST * seen.shape[0] or (right - left) < _LEAST * seen.shape[1]:
            return 0, 0, width, height
        if before == (top, bottom, left, right):
            break
    # Lines between those looked at are kept.
    x, y = max(0, (left - 1) * step + 1), max(0, (top - 1) * step + 1)
    return x, y, min(width, right * step) - x, min(height, bottom * step) - y


def _inner(lines: Array, plain: float) -> tuple[int, int]:
    """The first row that is not plain, and the one after the last; (0, 0) where all are."""
    if not lines.size:
        return 0, 0
    skipped = int(_ODD * lines.shape[1])
    ordered = np.partition(lines, (skipped, lines.shape[1] - 1 - skipped), axis=1)
    spans = ordered[:, lines.shape[1] - 1 - skipped] - ordered[:, skipped]
    shown = np.flatnonzero(spans > plain)
    return (int(shown[0]), int(shown[-1]) + 1) if len(shown) else (0, 0)
