"""The plots of the stress page: effects of every severity and of a missing view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ulna.corruptions import CORRUPTIONS
from ulna.evaluation.scores import Json
from ulna.report.formats import measure_name
from ulna.report.svg import COLOURS, INK, MUTED, new_figure, new_grid
from ulna.robustness.stress.breaks import FLIPS_ALLOWED
from ulna.robustness.stress.paired import FLIPS, SHIFT
from ulna.robustness.stress.views import LeftOut

_COLUMNS = 3
# Other colours than those of the scores beside them.
_MOVED = (COLOURS[6], COLOURS[4])
_NONE: Json = {"value": 0.0, "low": 0.0, "high": 0.0}


def scores_figure(result: Json) -> Figure:
    """Draw AUROC with its interval, sensitivity and specificity by severity of each corruption."""
    lines = {"auroc": "AUROC", "sensitivity": "sensitivity", "specificity": "specificity"}
    figure, panels = _panels(result)
    for (name, levels), axes in zip(result["corruptions"].items(), panels, strict=False):
        _mark_break(result, name, axes)
        for (measure, label), colour in zip(lines.items(), COLOURS, strict=False):
            entries = [result["clean"][measure], *(x[measure] for x in levels)]
            _line(axes, entries, colour, label, measure == "auroc")
        axes.set(ylim=(-0.02, 1.02))
    return _finished(figure, panels)


def moves_figure(result: Json) -> Figure:
    """Draw the share of flipped decisions and mean |change of probability| by severity."""
    lines = {FLIPS: "decisions that flip", SHIFT: "mean |change of probability|"}
    figure, panels = _panels(result)
    for (name, levels), axes in zip(result["corruptions"].items(), panels, strict=False):
        _mark_break(result, name, axes)
        axes.axhline(FLIPS_ALLOWED, color=MUTED, lw=0.9, ls=(0, (4, 4)))
        for (measure, label), colour in zip(lines.items(), _MOVED, strict=True):
            _line(axes, [_NONE, *(x[measure] for x in levels)], colour, label, True)
        axes.set(ylim=(-0.01, _most(result, lines)))
    return _finished(figure, panels)


def left_out_figure(left_out: Sequence[LeftOut]) -> Figure:
    """Draw a histogram of the changes of study probability by a view left out, flips apart."""
    figure, axes = new_figure(9.6, 3.1)
    bins = np.linspace(-1, 1, 41)
    kept = [v.change for v in left_out if not v.flipped]
    flips = [v.change for v in left_out if v.flipped]
    labels = ["decision stays", "decision flips"]
    axes.hist([kept, flips], bins, stacked=True, color=["#9aa5b1", COLOURS[1]], label=labels)
    furthest = max((abs(v.change) for v in left_out), default=0.1)
    reach = min(1.0, max(0.1, np.ceil(10 * furthest) / 10))
    axes.set(xlim=(-reach, reach), xlabel="probability without the view − with it", ylabel="views")
    axes.axvline(0, color=INK, lw=0.9)
    axes.legend(frameon=False, fontsize=9)
    axes.grid(visible=False, axis="x")
    return figure


def _panels(result: Json) -> tuple[Figure, list[Any]]:
    corruptions = result["corruptions"]
    rows = -(-len(corruptions) // _COLUMNS)
    figure, panels = new_grid(9.6, 2.45 * rows, rows, _COLUMNS)
    for (name, levels), axes in zip(corruptions.items(), panels, strict=False):
        amounts = ["0", *(_short(name, level) for level in levels)]
        axes.set_xticks(range(len(amounts)), amounts, fontsize=8)
        axes.set(title=measure_name(name), xlim=(-0.25, max(len(amounts) - 0.75, 1.25)))
        axes.set_xlabel(_UNITS[name], fontsize=8.5, color=MUTED)
    for axes in panels[len(corruptions) :]:
        axes.set_visible(False)
    return figure, panels


_UNITS = {
    "quantum_noise": "photons per input px (0: unchanged)",
    "blur": "Gaussian, input px",
    "gamma": "exponent γ (0: unchanged)",
    "gain": "factor (0: unchanged)",
    "jpeg": "quality (0: unchanged)",
    "rotation": "degrees",
    "crop": "% of each side cut off",
    "inversion": "0: unchanged, 1: inverted",
    "marker": "height, % of the longest side",
}


def _short(name: str, level: Json) -> str:
    amount = level["amount"]
    return f"{100 * amount:g}" if "%" in CORRUPTIONS[name].unit else f"{amount:g}"


def _mark_break(result: Json, name: str, axes: Any) -> None:
    """Tint the background from the severity at which the corruption breaks the answers."""
    row = next(r for r in result["where_it_breaks"] if r["name"] == name)
    if row["severity"] is not None:
        axes.axvspan(row["severity"] - 0.5, len(result["corruptions"][name]) + 1, color="#fdeeee")


def _line(axes: Any, entries: Sequence[Json], colour: str, label: str, band: bool) -> None:
    known = [(x, e) for x, e in enumerate(entries) if e["value"] is not None]
    x = [k for k, _ in known]
    axes.plot(x, [e["value"] for _, e in known], "o-", color=colour, ms=3.5, label=label)
    if band:
        low, high = ([e[side] for _, e in known] for side in ("low", "high"))
        axes.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)


def _most(result: Json, lines: Sequence[str] | dict[str, str]) -> float:
    """Return the upper end of the axis that all panels share."""
    highs: list[float] = [
        x[m]["high"] for levels in result["corruptions"].values() for x in levels for m in lines
    ]
    return min(1.02, max(0.1, *highs) * 1.05)


def _finished(figure: Figure, panels: Sequence[Any]) -> Figure:
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), frameon=False)
    return figure
