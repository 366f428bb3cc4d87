"""Scores under a corruption, and their paired differences from the clean ones."""

from __future__ import annotations

from functools import partial

import numpy as np

from ulna.corruptions import CORRUPTIONS
from ulna.evaluation.scores import Json, Resampling, Sample, interval_json, statistics
from ulna.metrics.bootstrap import Statistic, bootstrap_intervals, difference_of
from ulna.metrics.inputs import Floats
from ulna.robustness.stress.answers import StressAnswers

MEASURES = ("auroc", "sensitivity", "specificity", "kappa")
FLIPS = "decisions_flipped"
SHIFT = "mean_shift"


def score_clean(answers: StressAnswers, how: Resampling) -> Json:
    """Each of MEASURES of the untouched answers with its interval."""
    wanted = {name: statistics(answers.clean)[name] for name in MEASURES}
    result = bootstrap_intervals(answers.clean.patients, wanted, how.draws, how.seed)
    return {name: interval_json(interval) for name, interval in result.items()}


def score_corruptions(answers: StressAnswers, how: Resampling) -> Json:
    """`{corruption: [severity 1, severity 2, ...]}` with scores and differences of each."""
    return {
        name: [
            {
                "severity": severity,
                "amount": amount,
                "amount_text": corruption.amount_text(severity),
            }
            | compare_answers(answers.clean, answers.corrupted[name, severity], how)
            for severity, amount in enumerate(corruption.amounts, start=1)
        ]
        for name, corruption in CORRUPTIONS.items()
    }


def compare_answers(clean: Sample, other: Sample, how: Resampling) -> Json:
    """Scores of `other`, their change from `clean`, and how far the answers moved.

    Both hold the same studies in the same order. `<measure>` is that of `other`,
    `<measure>_change` is other minus clean on the same bootstrap draws over patients;
    `mean_shift` the mean of |p - p clean|; `decisions_flipped` the share of studies whose
    decision is another one. Each `{value, low, high}`.
    """
    mine, theirs = statistics(other), statistics(clean)
    wanted: dict[str, Statistic] = {name: mine[name] for name in MEASURES}
    wanted |= {f"{name}_change": difference_of(mine[name], theirs[name]) for name in MEASURES}
    wanted[SHIFT] = partial(_mean, np.abs(other.probability - clean.probability))
    wanted[FLIPS] = partial(_mean, flipped(clean, other).astype(np.float64))
    result = bootstrap_intervals(clean.patients, wanted, how.draws, how.seed)
    return {name: interval_json(interval) for name, interval in result.items()}


def flipped(clean: Sample, other: Sample) -> np.ndarray:
    """(N,) bool: whether the decision of a study is another one."""
    return np.asarray(np.asarray(clean.decision) != np.asarray(other.decision))


def _mean(values: Floats, weights: Floats) -> Floats:
    return np.asarray(weights @ values / weights.sum(axis=1))
