"""Detection of the picture in an image that has bars, frames or plain air around it."""

from __future__ import annotations

import numpy as np

from ulna.imaging.geometry import Part
from ulna.types import Array

# Approximate number of rows and columns that are examined.
_EXAMINED = 512
# A line is plain if its greys span at most the first share of the image's range, without the second
# share of its pixels at either end (a frame's corners, dust).
_PLAIN, _ODD = 0.04, 0.02
# Smallest share of a side that may be left; below it the image has no detectable picture.
_LEAST = 0.25


def picture_part(pixels: Array) -> Part:
    """Return (left, top, width, height) in px of an image without its plain border lines.

    A row or column at the border is removed where its greys hardly differ: bars of a letterbox, the
    frame of a cassette, air. The rest has no such line at its four borders. Lines with a letter in
    them stay, with all lines inside them, so that no part of a limb is lost. An image that is plain
    nearly everywhere stays whole. Deterministic; examines about 512 lines a side.
    """
    height, width = pixels.shape
    step = max(1, max(height, width) // _EXAMINED)
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
    # Lines between those examined are kept.
    x, y = max(0, (left - 1) * step + 1), max(0, (top - 1) * step + 1)
    return x, y, min(width, right * step) - x, min(height, bottom * step) - y


def _inner(lines: Array, plain: float) -> tuple[int, int]:
    """Return the first row that is not plain and the end of the last; (0, 0) where all are."""
    if not lines.size:
        return 0, 0
    skipped = int(_ODD * lines.shape[1])
    ordered = np.partition(lines, (skipped, lines.shape[1] - 1 - skipped), axis=1)
    spans = ordered[:, lines.shape[1] - 1 - skipped] - ordered[:, skipped]
    shown = np.flatnonzero(spans > plain)
    return (int(shown[0]), int(shown[-1]) + 1) if len(shown) else (0, 0)
