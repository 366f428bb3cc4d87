"""The waterfall chart of an audit, from the prototype's accuracy to the corrected one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ulna.report.svg import INK, MUTED, new_figure, write_png

_WHOLE, _LOSS, _GAIN = "#35618f", "#c2603a", "#4f8f5b"


def write_waterfall(result: Mapping[str, Any], path: Path) -> None:
    """Write `waterfall_figure` with a title as a PNG."""
    figure = waterfall_figure(result)
    # Matplotlib would typeset text between dollar signs as a formula.
    data = str(result["data"]).replace("$", r"\$")
    figure.suptitle(
        f"Sources of the prototype’s accuracy: {data}, {result['n_studies']} studies",
        fontsize=10,
    )
    write_png(figure, path)


def waterfall_figure(result: Mapping[str, Any]) -> Figure:
    """Draw bars of the first and last accuracy with intervals, and the change by each step between.

    result: the content of audit.json.
    """
    steps = result["steps"]
    figure, axes = new_figure(9.6, 4.4)
    labels = [_label(steps[0]["name"], steps[0])]
    _whole(axes, 0, steps[0]["accuracy"])
    for i, (before, step) in enumerate(zip(steps, steps[1:], strict=False), start=1):
        _change(axes, i, before["accuracy"]["value"], step)
        labels.append(step["taken"].replace(" ", "\n", 1))
    last = len(steps)
    level = steps[-1]["accuracy"]["value"]
    axes.hlines(level, last - 0.7, last - 0.3, color=MUTED, lw=0.8)
    _whole(axes, last, steps[-1]["accuracy"])
    labels.append(_label(steps[-1]["name"], steps[-1]))
    _chance(axes, last, steps[-1]["chance"])
    axes.set_xticks(range(last + 1), labels, fontsize=8)
    axes.set(ylim=(0, 1.12), ylabel="accuracy", xlim=(-0.5, last + 0.5))
    axes.grid(visible=False, axis="x")
    return figure


def _change(axes: Any, place: int, before: float, step: Mapping[str, Any]) -> None:
    """Draw the change by a step, between its accuracy and the one before."""
    after, change = step["accuracy"]["value"], step["change"]
    low, high = sorted((before, after))
    colour = _LOSS if change["value"] < 0 else _GAIN
    axes.hlines(before, place - 0.7, place - 0.3, color=MUTED, lw=0.8)
    axes.bar(place, high - low, bottom=low, color=colour, width=0.6)
    # A change of 0 is drawn as a line.
    axes.hlines(after, place - 0.3, place + 0.3, color=colour, lw=1.6)
    text = f"{change['value']:+.3f}\n({change['low']:+.2f} to {change['high']:+.2f})"
    text = text.replace("-", "−")
    axes.text(place, high + 0.012, text, ha="center", va="bottom", fontsize=8, color=INK)


def _whole(axes: Any, place: float, accuracy: Mapping[str, float]) -> None:
    value = accuracy["value"]
    spread = [[value - accuracy["low"]], [accuracy["high"] - value]]
    axes.bar(place, value, color=_WHOLE, width=0.6, yerr=spread, capsize=4, ecolor=INK)
    axes.text(place, 0.03, f"{value:.3f}", ha="center", color="white", fontsize=9)


def _chance(axes: Any, place: float, chance: float) -> None:
    """Draw the accuracy of always giving the more frequent answer, visible on and off the bar."""
    axes.hlines(chance, place - 0.45, place + 0.45, color="white", lw=2.4)
    axes.hlines(chance, place - 0.45, place + 0.45, color=INK, ls=":", lw=1.4)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    axes.text(place, chance - 0.03, "chance", ha="center", va="top", fontsize=8, bbox=box)


def _label(name: str, step: Mapping[str, Any]) -> str:
    return f"{name}\n({step['n']} {'images' if step['unit'] == 'image' else 'studies'})"
