"""Compare single experts, their plain mean and the hybrid on the same studies and draws."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ulna.evaluation.rows import StudyRow
from ulna.evaluation.scores import (
    Json,
    Resampling,
    Sample,
    interval_json,
    measure,
    number,
    score_sample,
    study_sample,
)
from ulna.metrics.bootstrap import Statistic, bootstrap_intervals, difference_of
from ulna.metrics.ranking import roc_curve, weighted_auroc

MEAN = "mean_of_experts"


def expert_names(rows: Sequence[StudyRow]) -> list[str]:
    """Return the experts that answered every scored study, in the bundle's order."""
    scored = [r for r in rows if r.scored]
    if not scored:
        return []
    return [n for n in scored[0].experts if all(n in r.experts for r in scored)]


def expert_sample(rows: Sequence[StudyRow], name: str) -> Sample:
    """Return scored studies with the uncalibrated probabilities of a single expert."""
    return score_sample(rows, lambda row: row.experts[name])


def mean_sample(rows: Sequence[StudyRow]) -> Sample:
    """Return scored studies with the probabilities of the plain mean of the experts' logits."""
    return score_sample(rows, lambda row: row.mean_of_experts)


def measure_single_expert(sample: Sample, hybrid: Sample, resampling: Resampling) -> Json:
    """Return the measures of a single expert, which has no threshold of its own.

    sensitivity_at_hybrid_specificity is its largest sensitivity on the test ROC curve at a
    specificity of at least the hybrid's. It is optimistic, since it is chosen on the test data.
    """
    scores = measure(sample, resampling)
    scores["sensitivity_at_hybrid_specificity"] = number(_matched(sample, hybrid))
    return scores


def _matched(sample: Sample, hybrid: Sample) -> float:
    normal = ~sample.abnormal
    if hybrid.decision is None or not normal.any() or normal.all():
        return float("nan")
    allowed = float(hybrid.decision[normal].mean())
    curve = roc_curve(sample.abnormal, sample.probability)
    return float(curve.y[curve.x <= allowed + 1e-12].max())


def compare(rows: Sequence[StudyRow], resampling: Resampling) -> Json | None:
    """Compare the hybrid with its best expert and with the mean, by AUROC; None without experts.

    The best expert is chosen on these same studies, which favours the expert. Differences are
    hybrid minus the other, on the same bootstrap draws.
    """
    names = expert_names(rows)
    if not names or len({r.abnormal for r in rows}) < 2:
        return None
    hybrid = study_sample(rows)
    ones = np.ones((1, len(rows)))
    samples = {n: expert_sample(rows, n) for n in names}
    areas = {n: float(_area(s)(ones)[0]) for n, s in samples.items()}
    best = max(names, key=lambda n: areas[n])
    minus = bootstrap_intervals(
        hybrid.patients,
        {
            "expert": difference_of(_area(hybrid), _area(samples[best])),
            "mean": difference_of(_area(hybrid), _area(mean_sample(rows))),
        },
        resampling.draws,
        resampling.seed,
    )
    return {
        "best_expert": best,
        "best_expert_auroc": areas[best],
        "hybrid_auroc": float(_area(hybrid)(ones)[0]),
        "hybrid_minus_best_expert": interval_json(minus["expert"]),
        "hybrid_minus_mean": interval_json(minus["mean"]),
        "hybrid_beats_best_expert": bool(minus["expert"].value > 0),
        "difference_is_clear": bool(minus["expert"].low > 0 or minus["expert"].high < 0),
    }


def _area(sample: Sample) -> Statistic:
    return partial(weighted_auroc, sample.abnormal, sample.probability)


def verdict(name: str, comparison: Json) -> str:
    """Return a sentence that says whether the hybrid beats its best expert."""
    difference = comparison["hybrid_minus_best_expert"]
    figures = (
        f"AUROC {comparison['hybrid_auroc']:.3f} against {comparison['best_expert_auroc']:.3f} "
        f"({difference['value']:+.3f}, 95 % interval {difference['low']:+.3f} to "
        f"{difference['high']:+.3f})"
    )
    best = comparison["best_expert"]
    if not comparison["hybrid_beats_best_expert"]:
        same = difference["value"] == 0
        does = "is no better than" if same else "does not beat"
        return f"{name}: the hybrid {does} its best expert, {best}: {figures}."
    if comparison["difference_is_clear"]:
        return f"{name}: the hybrid beats its best expert, {best}: {figures}."
    return (
        f"{name}: the hybrid is ahead of its best expert, {best}: {figures}; "
        "the interval includes no difference."
    )
