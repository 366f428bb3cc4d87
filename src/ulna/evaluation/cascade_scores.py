"""Agreement of a cascade with the whole hybrid, and its savings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from ulna.evaluation.rows import Answer, CascadeAnswer, StudyRow
from ulna.evaluation.scores import Json, Resampling, interval_json
from ulna.evaluation.triage_scores import binomial_interval
from ulna.metrics.bootstrap import Statistic, bootstrap_intervals, difference_of
from ulna.metrics.ranking import weighted_auroc
from ulna.types import StudyPrediction


def cascade_answer(prediction: StudyPrediction, costs: Mapping[str, float]) -> CascadeAnswer:
    """Return what evaluation keeps of a cascade's answer; costs are multiply-adds by expert."""
    skipped = sum(costs[n] for n in prediction.skipped_experts)
    cost = 1.0
    if skipped:
        run = sum(costs[n] for n in prediction.experts)
        cost = run / (run + skipped)
    return CascadeAnswer(
        prediction.probability, prediction.abnormal, prediction.skipped_experts, cost
    )


def cascade_scores(rows: Sequence[StudyRow], resampling: Resampling) -> Json | None:
    """Return agreement and savings over all studies with both answers, None without any.

    changed is the share of studies on the other side of the threshold than with the whole hybrid,
    with its exact 95 % interval. left is the share that left before the last expert. cost is the
    ratio of multiply-adds to those of the whole hybrid. auroc is that of the cascade on the
    labelled studies, and auroc_difference that minus the hybrid's, paired.
    """
    both = [r for r in rows if r.given is not None and r.cascade is not None]
    if not both:
        return None
    changed = sum(r.cascade.abnormal != r.given.abnormal for r in both if r.cascade and r.given)
    low, high = binomial_interval(changed, len(both))
    answers = [r.cascade for r in both if r.cascade]
    images = [len(r.images) for r in both]
    return {
        "n_studies": len(both),
        "n_changed": changed,
        "changed": {"value": changed / len(both), "low": low, "high": high},
        "left": float(np.mean([bool(a.skipped) for a in answers])),
        "cost": float(np.average([a.cost for a in answers], weights=images)),
        "by_body_part": _by_part(both),
        **_areas([r for r in both if r.abnormal is not None], resampling),
    }


def _by_part(rows: Sequence[StudyRow]) -> Json:
    parts: Json = {}
    for row in rows:
        if row.part is None or row.given is None or row.cascade is None:
            continue
        counts = parts.setdefault(row.part.value, {"n_studies": 0, "n_left": 0, "n_changed": 0})
        counts["n_studies"] += 1
        counts["n_left"] += bool(row.cascade.skipped)
        counts["n_changed"] += row.cascade.abnormal != row.given.abnormal
    return dict(sorted(parts.items()))


def _areas(rows: Sequence[StudyRow], resampling: Resampling) -> Json:
    if len({r.abnormal for r in rows}) < 2:
        return {"auroc": None, "auroc_difference": None}
    truth = np.array([bool(r.abnormal) for r in rows])
    cascade = partial(weighted_auroc, truth, np.array([_probability(r.cascade) for r in rows]))
    hybrid = partial(weighted_auroc, truth, np.array([_probability(r.given) for r in rows]))
    wanted: dict[str, Statistic] = {
        "auroc": cascade,
        "auroc_difference": difference_of(cascade, hybrid),
    }
    result = bootstrap_intervals(
        [r.patient_id for r in rows], wanted, resampling.draws, resampling.seed
    )
    return {name: interval_json(interval) for name, interval in result.items()}


def _probability(answer: Answer | CascadeAnswer | None) -> float:
    return float("nan") if answer is None else answer.probability
