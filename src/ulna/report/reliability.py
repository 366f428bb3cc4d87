"""Reliability diagrams, one for each body part, with an interval for every bin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ulna.evaluation.scores import Sample
from ulna.evaluation.triage_scores import binomial_interval
from ulna.metrics.debiased import ece_debiased
from ulna.metrics.probability import ece, reliability
from ulna.report.svg import MUTED, colour_of, new_grid, to_svg

BINS = 10
_COLUMNS = 4


def reliability_figure(samples: Mapping[str, Sample]) -> str:
    """Draw the observed share of abnormal studies against the predicted one, in ten bins.

    The line through a dot is the exact binomial interval of the observed share (Clopper and Pearson
    1934), with studies taken as independent. The area of a dot is proportional to its number of
    studies. A gap whose line crosses the diagonal is explained by chance.
    """
    columns = min(_COLUMNS, len(samples))
    rows = -(-len(samples) // columns)
    figure, panels = new_grid(2.45 * columns, 2.75 * rows, rows, columns)
    colours = colour_of(list(samples))
    for i, (name, sample) in enumerate(samples.items()):
        _panel(panels[i], name, sample, colours[name])
        if i % columns == 0:
            panels[i].set_ylabel("observed share abnormal")
    for panel in panels[len(samples) :]:
        panel.set_visible(False)
    figure.supxlabel("stated probability", fontsize=10)
    return to_svg(figure, "Reliability of the stated probabilities by body part, ten bins")


def _panel(axes: Any, name: str, sample: Sample, colour: str) -> None:
    points = reliability(sample.abnormal, sample.probability, BINS)
    filled = points.count > 0
    x, y, count = points.stated[filled], points.observed[filled], points.count[filled]
    hits = np.rint(y * count).astype(int)
    bars = [binomial_interval(int(h), int(n)) for h, n in zip(hits, count, strict=True)]
    axes.plot([0, 1], [0, 1], color=MUTED, lw=0.9, ls=(0, (4, 4)))
    axes.vlines(x, [b[0] for b in bars], [b[1] for b in bars], color=colour, lw=1.4, alpha=0.55)
    size = 8 + 160 * count / count.sum()
    axes.scatter(x, y, size, color=colour, edgecolor="white", lw=0.7, zorder=4)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    axes.set_xticks((0, 0.5, 1))
    axes.set_yticks((0, 0.5, 1))
    plain = ece(sample.abnormal, sample.probability)
    debiased = ece_debiased(sample.abnormal, sample.probability)
    shown = "–" if np.isnan(debiased) else f"{debiased:.3f}"
    title = "All" if name == "ALL" else name.capitalize()
    axes.set_title(f"{title}  (n = {len(sample.patients)})", fontsize=9.5)
    text = f"ECE {plain:.3f}\ndebiased {shown}"
    axes.text(1.0, 0.0, text, fontsize=8, color=MUTED, ha="right")
