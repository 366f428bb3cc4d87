"""The picture of an examination: images, their heat maps and the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ulna.types import Array

if TYPE_CHECKING:
    from ulna.attribution.examination.measures import ExaminedImage, ImageMeasures
    from ulna.runtime import Predictor

_TITLES = {"map": "heat map", "random": "noise", "edges": "edges of the image"}


def write_figure(
    images: Sequence[ExaminedImage],
    measures: Sequence[ImageMeasures],
    predictor: Predictor,
    shuffled: Predictor,
    path: Path,
) -> None:
    """Draw a row for each image: image with true place, map, noise, edges, map of shuffled weights.

    Each map is shown on a grey scale of its own, since the maps have no common unit.
    """
    columns = [*_TITLES.values(), "weights shuffled"]
    figure = Figure(figsize=(11, 2.4 * len(images) + 0.5), layout="constrained")
    axes = np.atleast_2d(figure.subplots(len(images), 5))
    for row, image in zip(axes, images, strict=True):
        part = image.study.body_part
        answer = shuffled.predict_radiographs([image.radiograph], part)
        pictures = [*image.maps.values(), answer.images[0].heat_map]
        row[0].imshow(image.radiograph.pixels, cmap="gray", vmin=0, vmax=1)
        row[0].contour(image.mask, levels=[0.5], colors="tab:orange", linewidths=1)
        for place, picture in zip(row[1:], pictures, strict=True):
            place.imshow(_scaled(picture), cmap="gray", vmin=0, vmax=1)
        for place in row:
            place.set_axis_off()
    for place, title in zip(axes[0], ["image, true place", *columns], strict=True):
        place.set_title(title, fontsize=9)
    figure.suptitle(f"{len(measures)} images examined; {len(images)} shown", fontsize=9)
    figure.savefig(path, dpi=110)


def _scaled(picture: Array) -> Array:
    """Scale a map to its own 1st percentile and maximum, for display only."""
    low, high = np.percentile(picture, 1), picture.max()
    return np.asarray(np.clip((picture - low) / max(high - low, 1e-9), 0, 1) ** 0.5, np.float32)
