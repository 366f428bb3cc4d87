"""The audit's waterfall: from the prototype's accuracy to the right one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

_WHOLE, _LOSS, _GAIN = "#35618f", "#c2603a", "#4f8f5b"


def write_waterfall(found: Mapping[str, Any], path: Path) -> None:
    """Bars of accuracy (first and last, with intervals) and between them what each step took.

    found: the content of audit.json.
    """
    steps = found["steps"]
    figure = Figure(figsize=(8.5, 4.4), layout="constrained")
    axes = figure.subplots()
    ends = [steps[0]["accuracy"], steps[-1]["accuracy"]]
    labels = [_label(steps[0]["name"], steps[0])]
    _whole(axes, 0, ends[0])
    for i, (before, step) in enumerate(zip(steps, steps[1:], strict=False), start=1):
        low, high = sorted((before["accuracy"]["value"], step["accuracy"]["value"]))
        change = step["change"]
        axes.bar(
            i, high - low, bottom=low, color=_LOSS if change["value"] < 0 else _GAIN, width=0.6
        )
        text = f"{change['value']:+.3f}\n({change['low']:+.2f} to {change['high']:+.2f})"
        axes.text(i, high + 0.01, text, ha="center", va="bottom", fontsize=8)
        axes.hlines(step["accuracy"]["value"], i - 0.3, i + 1.3, color="#888888", lw=0.7)
        labels.append(step["taken"].replace(" ", "\n", 1))
    last = len(steps)
    _whole(axes, last, ends[1])
    labels.append(_label(steps[-1]["name"], steps[-1]))
    axes.hlines(steps[-1]["chance"], last - 0.4, last + 0.4, color="black", ls=":", lw=1)
    axes.text(last, steps[-1]["chance"] - 0.01, "chance", ha="center", va="top", fontsize=8)
    axes.set_xticks(range(last + 1), labels, fontsize=8)
    axes.set(ylim=(0, 1.12), ylabel="accuracy")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(
        f"What the prototype's accuracy was made of: {found['data']}, {found['n_studies']} studies",
        fontsize=10,
    )
    figure.savefig(path, dpi=120)


def _whole(axes: Any, place: float, accuracy: Mapping[str, float]) -> None:
    value = accuracy["value"]
    spread = [[value - accuracy["low"]], [accuracy["high"] - value]]
    axes.bar(place, value, color=_WHOLE, width=0.6, yerr=spread, capsize=4)
    axes.text(place, 0.03, f"{value:.3f}", ha="center", color="white", fontsize=9)


def _label(name: str, step: Mapping[str, Any]) -> str:
    return f"{name}\n({step['n']} {'images' if step['unit'] == 'image' else 'studies'})"
