"""Write the comparison as JSON, as a table and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ulna.atomic_file import csv_bytes, write_atomic
from ulna.attribution.methods.known import KnownImage
from ulna.attribution.methods.method_score import MethodScore
from ulna.config.codec import to_json, write_json
from ulna.types import Array

_INCH = 1.5


@dataclass(frozen=True)
class Example:
    """The maps (H, W) of one image from one expert, by method."""

    expert: str
    image: KnownImage
    heats: Mapping[str, Array]


def write_comparison(scores: Sequence[MethodScore], examples: Sequence[Example], out: Path) -> None:
    """Write explain.json, explain.csv and explain.png to the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    write_json([to_json(s) for s in scores], out / "explain.json")
    names = [f.name for f in fields(scores[0])]
    write_atomic(out / "explain.csv", csv_bytes(names, map(to_json, scores)))
    _draw(examples, out / "explain.png")


def _draw(examples: Sequence[Example], path: Path) -> None:
    """Draw a row for each expert and image: the image with the true outline, then all maps.

    In this picture only, every map is scaled to its own maximum, since the package's maps have no
    unit and there is no common scale.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    methods = list(examples[0].heats)
    size = (_INCH * (len(methods) + 1), _INCH * len(examples))
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(examples), len(methods) + 1, squeeze=False)
    for row, example in zip(axes, examples, strict=True):
        titles = ["image, truth", *methods] if row is axes[0] else [""] * (len(methods) + 1)
        heats: list[Array | None] = [None, *example.heats.values()]
        for panel, title, heat in zip(row, titles, heats, strict=True):
            _draw_panel(panel, example.image, heat)
            panel.set_title(title, fontsize=7)
        row[0].set_ylabel(example.expert, fontsize=7)
    figure.savefig(path)


def _draw_panel(panel: Any, image: KnownImage, heat: Array | None) -> None:
    panel.imshow(image.radiograph.pixels, cmap="gray", vmin=0, vmax=1)
    if heat is not None:
        strength = np.clip(heat / max(float(heat.max()), 1e-6), 0, 1)
        panel.imshow(strength, cmap="inferno", vmin=0, vmax=1, alpha=0.8 * strength)
    padded = np.pad(image.mask.astype(float), 1)
    # Contours of the padded mask, moved back by the padding.
    rows, columns = (np.arange(n) - 1 for n in padded.shape)
    panel.contour(columns, rows, padded, levels=[0.5], colors=["#40c8ff"], linewidths=0.7)
    panel.set_xlim(-0.5, image.mask.shape[1] - 0.5)
    panel.set_ylim(image.mask.shape[0] - 0.5, -0.5)
    panel.set_xticks([])
    panel.set_yticks([])
