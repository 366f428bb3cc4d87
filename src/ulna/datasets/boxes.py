"""Boxes against the image they are said of, whose size is known once it has been read."""

from __future__ import annotations

import warnings

from ulna.errors import DatasetWarning
from ulna.types import ImageRef


def warn_of_boxes_outside(ref: ImageRef, shape: tuple[int, int]) -> None:
    """DatasetWarning for boxes of `ref` that lie beside its image of `shape` (H, W) altogether.

    Mostly they were drawn on a copy of another size. Boxes across an edge are cut at it.
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
            "file's own pixels; they mark nothing",
            DatasetWarning,
            stacklevel=3,
        )
