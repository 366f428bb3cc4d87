"""Matplotlib figures of an answer: image, heat map on its fixed scale, outlines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ulna.config.meaning import answer_words
from ulna.errors import ConfigError, DependencyError
from ulna.imaging.non_radiograph import negative
from ulna.imaging.overlay import cautions, draw_overlay
from ulna.types import ImagePrediction, Radiograph

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ulna.api.answer import Answer

_INCHES = 4.0


def plot_answer(answer: Answer, axes: Axes | Sequence[Axes] | None = None) -> list[Axes]:
    """Draw the answer: see `Answer.plot`."""
    if axes is None:
        # A figure of pyplot, so that a script can call `plt.show()`.
        pyplot = _matplotlib()
        count = len(answer.images)
        _, grid = pyplot.subplots(
            1, count, squeeze=False, figsize=(_INCHES * count, _INCHES), layout="constrained"
        )
        chosen = list(grid[0])
    else:
        chosen = list(np.ravel(np.asarray(axes, dtype=object)))
    if len(chosen) != len(answer.images):
        raise ConfigError(
            f"{len(chosen)} axes: expected one for each of {len(answer.images)} views"
        )
    for k, view in enumerate(chosen):
        _draw(view, answer, k)
    chosen[0].figure.suptitle(_title(answer), fontsize=9)
    return chosen


def figure_of(answer: Answer) -> Figure:
    """Draw the answer in a figure unknown to pyplot, which a notebook would show twice."""
    _matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_INCHES * len(answer.images), _INCHES), layout="constrained")
    plot_answer(answer, list(figure.subplots(1, len(answer.images), squeeze=False)[0]))
    return figure


def _title(answer: Answer) -> str:
    """Return a line for the study, and below it the cautions about its maps."""
    if answer.refused:
        line = f"no answer: {answer.refused}"
    else:
        word = answer_words(answer.abnormal_means)[0 if answer.abnormal else 1]
        part = answer.body_part.value.lower()
        line = f"{part}: {word}, probability {answer.probability:.2f}"
    return "\n".join(filter(None, (line, cautions(answer))))


def _draw(axes: Axes, answer: Answer, k: int) -> None:
    image = answer.images[k]
    radiograph = _image(answer, k)
    axes.set_axis_off()
    if image.refusal:
        axes.imshow(radiograph.pixels, cmap="gray", vmin=0, vmax=1)
        axes.set_title("refused", fontsize=8)
        return
    axes.imshow(draw_overlay(radiograph, image.heat_map, answer.map_limit))
    for finding in image.findings:
        if finding.outline is not None:
            axes.plot(*(finding.outline - 0.5).T, color="white", linewidth=0.8)
    axes.set_title(f"{Path(image.source).name} {image.probability:.2f}", fontsize=8)


def _image(answer: Answer, k: int) -> Radiograph:
    """Return the view with the polarity in which it was read."""
    image: ImagePrediction = answer.images[k]
    if answer.radiographs:
        radiograph = answer.radiographs[k]
    else:
        from ulna.imaging.read import read_radiograph

        radiograph = read_radiograph(image.source)
    return replace(radiograph, pixels=negative(radiograph)) if image.inverted else radiograph


def _matplotlib() -> Any:
    """Return `matplotlib.pyplot`. Raises DependencyError without it."""
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError:
        raise DependencyError(
            "a picture of an answer needs matplotlib: install Ulna's extra 'report' "
            "(pip install 'ulna[report]')"
        ) from None
    return pyplot
