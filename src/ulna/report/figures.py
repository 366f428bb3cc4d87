"""The plots of the report. Each function draws samples or scores as an `<svg>`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ulna.evaluation.rows import StudyRow
from ulna.evaluation.scores import Json, Sample
from ulna.metrics.decisions import sensitivity, specificity
from ulna.metrics.ranking import auroc, average_precision, pr_curve, roc_curve
from ulna.report.svg import INK, MUTED, colour_of, new_figure, to_svg

_SIZE = (4.3, 4.1)


def _two_classes(samples: Mapping[str, Sample]) -> dict[str, Sample]:
    return {n: s for n, s in samples.items() if s.abnormal.any() and not s.abnormal.all()}


def _square(axes: Any, x: str, y: str) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=x, ylabel=y, aspect="equal")
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_yticks(np.linspace(0, 1, 6))


def _legend(axes: Any, place: str, title: str) -> None:
    if not axes.get_legend_handles_labels()[0]:
        axes.text(0.5, 0.5, "needs normal and\nabnormal studies", ha="center", color=MUTED)
        return
    axes.legend(loc=place, title=title, frameon=False, fontsize=8.5, title_fontsize=8.5)


def roc_figure(samples: Mapping[str, Sample]) -> str:
    """Draw ROC curves by body part. The dot is the operating point."""
    figure, axes = new_figure(*_SIZE)
    colours = colour_of(list(samples))
    for name, sample in _two_classes(samples).items():
        curve = roc_curve(sample.abnormal, sample.probability)
        area = auroc(sample.abnormal, sample.probability)
        width = 2.4 if name == "ALL" else 1.6
        axes.plot(curve.x, curve.y, color=colours[name], lw=width, label=f"{name}  {area:.3f}")
        if sample.decision is not None:
            x = 1 - specificity(sample.abnormal, sample.decision)
            y = sensitivity(sample.abnormal, sample.decision)
            axes.plot(x, y, "o", color=colours[name], ms=7, mec="white", zorder=5)
    axes.plot([0, 1], [0, 1], color=MUTED, lw=0.9, ls=(0, (4, 4)))
    _square(axes, "1 − specificity", "sensitivity")
    _legend(axes, "lower right", "AUROC")
    return to_svg(figure, "ROC curves by body part, study level")


def pr_figure(samples: Mapping[str, Sample]) -> str:
    """Draw precision-recall curves by body part. The short dash is the prevalence."""
    figure, axes = new_figure(*_SIZE)
    colours = colour_of(list(samples))
    for name, sample in _two_classes(samples).items():
        curve = pr_curve(sample.abnormal, sample.probability)
        area = average_precision(sample.abnormal, sample.probability)
        width = 2.4 if name == "ALL" else 1.6
        label = f"{name}  {area:.3f}"
        axes.step(curve.x, curve.y, where="pre", color=colours[name], lw=width, label=label)
        axes.plot([0.97, 1.02], [sample.abnormal.mean()] * 2, color=colours[name], lw=2)
    _square(axes, "recall (sensitivity)", "precision")
    _legend(axes, "lower left", "average precision")
    return to_svg(figure, "Precision-recall curves by body part, study level")


def distribution_figure(rows: Mapping[str, Sequence[StudyRow]]) -> str:
    """Draw the probability of every study as a dot, by body part, label and visibility."""
    bands = [(n, g, [r for r in rows[n] if _grade(r) == g]) for n in rows for g in _GRADES]
    bands = [b for b in bands if b[2]]
    figure, axes = new_figure(9.6, 0.7 + 0.34 * len(bands))
    rng = np.random.default_rng(0)
    for y, (_, grade, group) in enumerate(bands):
        p = [r.given.probability for r in group if r.given is not None]
        spread = y + rng.uniform(-0.28, 0.28, len(p))
        axes.scatter(p, spread, 13, color=_GRADES[grade], alpha=0.65, lw=0)
        thresholds = {r.given.threshold for r in group if r.given is not None}
        for t in thresholds if len(thresholds) == 1 else ():
            axes.plot([t, t], [y - 0.45, y + 0.45], color=INK, lw=1.4)
    axes.set_yticks(range(len(bands)), [f"{n.lower()} · {g} ({len(r)})" for n, g, r in bands])
    axes.set(xlim=(-0.01, 1.01), ylim=(len(bands) - 0.4, -0.6), xlabel="study probability")
    axes.grid(visible=False, axis="y")
    return to_svg(figure, "Probability of every study by body part and label")


_GRADES = {
    "normal": "#5f6b7a",
    "abnormal": "#d55e00",
    "visible": "#d55e00",
    "subtle": "#e69f00",
}


def _grade(row: StudyRow) -> str:
    if not row.abnormal:
        return "normal"
    if row.subtlety is None:
        return "abnormal"
    return "visible" if row.visible else "subtle"


def forest_figure(entries: Mapping[str, Mapping[str, Json]], title: str) -> str:
    """Draw values with intervals from `entries[group][series] = {value, low, high}`."""
    groups = [g for g, series in entries.items() if series]
    names = list(dict.fromkeys(s for g in groups for s in entries[g]))
    figure, axes = new_figure(9.6, 0.9 + 0.2 * sum(len(entries[g]) + 1 for g in groups))
    colours = _series_colours(names)
    y, ticks = 0.0, []
    for group in groups:
        start = y
        for name, entry in entries[group].items():
            _whisker(axes, entry, y, colours[name], name == "hybrid")
            y += 1
        ticks.append((start + y - 1) / 2)
        y += 1
    axes.set_yticks(ticks, [g.lower() if g != "ALL" else "all" for g in groups])
    axes.set(ylim=(y - 0.6, -0.8), xlabel=title)
    axes.grid(visible=False, axis="y")
    for name in names:
        axes.plot([], [], "o-", color=colours[name], ms=5, label=name.replace("_", " "))
    figure.legend(loc="outside upper left", ncols=min(6, len(names)), frameon=False)
    return to_svg(figure, f"{title} of hybrid, mean and experts")


def _series_colours(names: Sequence[str]) -> dict[str, str]:
    experts = [n for n in names if n not in ("hybrid", "mean_of_experts")]
    return colour_of(experts) | {"hybrid": INK, "mean_of_experts": "#9aa5b1"}


def _whisker(axes: Any, entry: Json, y: float, colour: str, strong: bool) -> None:
    if entry["value"] is None:
        return
    axes.plot([entry["low"], entry["high"]], [y, y], color=colour, lw=3 if strong else 1.6)
    axes.plot(entry["value"], y, "o", color=colour, ms=8 if strong else 6, mec="white", zorder=5)


def sensitivity_figure(entries: Mapping[str, Json]) -> str:
    """Draw the sensitivity for each finding or grade with its interval and number of studies."""
    figure, axes = new_figure(9.6, 0.75 + 0.3 * len(entries))
    for y, entry in enumerate(entries.values()):
        value = entry["sensitivity"]
        axes.barh(y, value["value"] or 0, height=0.62, color="#bcd3e6")
        axes.plot([value["low"], value["high"]], [y, y], color="#0072b2", lw=1.8)
    labels = [f"{n.replace('_', ' ')} ({e['n']})" for n, e in entries.items()]
    axes.set_yticks(range(len(entries)), labels)
    axes.set(xlim=(0, 1.01), ylim=(len(entries) - 0.4, -0.6), xlabel="sensitivity")
    axes.grid(visible=False, axis="y")
    return to_svg(figure, "Sensitivity by finding and visibility")
