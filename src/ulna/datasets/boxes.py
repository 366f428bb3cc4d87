"""A check of boxes against the size of their image, once the image has been read."""

from __future__ import annotations

import warnings

from ulna.errors import DatasetWarning
from ulna.types import ImageRef


def warn_of_boxes_outside(ref: ImageRef, shape: tuple[int, int]) -> None:
    """Warn (DatasetWarning) of boxes of `ref` that lie outside its image of `shape` (H, W).

    Most of these were drawn on a copy of another size. Boxes that cross an edge are clipped.
    """
    height, width = shape
    outside = [
        f.box
        for f in ref.findings
        if f.box[0] >= width or f.box[1] >= height or f.box[0] + f.box[2] <= 0
        or f.box[1] + f.box[3] <= 0
    ]  # fmt: skip
    if outside:
        box = ", ".join(f"{v:g}" for v in outside[0])
        warnings.warn(
            f"{ref.path}: {len(outside)} of {len(ref.findings)} boxes lie outside the image of "
            f"{width} x {height} px (first: [{box}]): expected [x, y, width, height] in the "
            "pixels of this file; these boxes are ignored",
            DatasetWarning,
            stacklevel=3,
        )
