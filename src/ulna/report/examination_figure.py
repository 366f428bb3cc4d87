"""The examination as a picture: films with their map and those that know nothing; the curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ulna.types import Array

if TYPE_CHECKING:
    from ulna.attribution.examination.measures import Film, FilmMeasures
    from ulna.runtime import Predictor

_TITLES = {"map": "heat map", "random": "noise", "edges": "edges of the film"}


def write_figure(
    films: Sequence[Film],
    measures: Sequence[FilmMeasures],
    predictor: Predictor,
    shuffled: Predictor,
    path: Path,
) -> None:
    """A row for each film: film and true place, map, noise, edges, map of shuffled weights.

    Each picture of a map has its own grey scale: they have no common unit.
    """
    columns = [*_TITLES.values(), "weights shuffled"]
    figure = Figure(figsize=(11, 2.4 * len(films) + 0.5), layout="constrained")
    axes = np.atleast_2d(figure.subplots(len(films), 5))
    for row, film in zip(axes, films, strict=True):
        part = film.study.body_part
        answer = shuffled.predict_radiographs([film.radiograph], part)
        pictures = [*film.maps.values(), answer.images[0].heat_map]
        row[0].imshow(film.radiograph.pixels, cmap="gray", vmin=0, vmax=1)
        row[0].contour(film.mask, levels=[0.5], colors="tab:orange", linewidths=1)
        for place, picture in zip(row[1:], pictures, strict=True):
            place.imshow(_scaled(picture), cmap="gray", vmin=0, vmax=1)
        for place in row:
            place.set_axis_off()
    for place, title in zip(axes[0], ["film, true place", *columns], strict=True):
        place.set_title(title, fontsize=9)
    figure.suptitle(f"{len(measures)} films examined; {len(films)} shown", fontsize=9)
    figure.savefig(path, dpi=110)


def _scaled(picture: Array) -> Array:
    """Between its own 1st percentile and maximum, for looking only."""
    low, high = np.percentile(picture, 1), picture.max()
    return np.asarray(np.clip((picture - low) / max(high - low, 1e-9), 0, 1) ** 0.5, np.float32)
