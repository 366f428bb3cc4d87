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


def score_clean(answers: StressAnswers, resampling: Resampling) -> Json:
    """Return each of MEASURES of the answers to the unchanged images, with its interval."""
    return _intervals(
        answers.clean, {m: statistics(answers.clean)[m] for m in MEASURES}, resampling
    )


def score_corruptions(answers: StressAnswers, resampling: Resampling) -> Json:
    """Return `{corruption: [severity 1, severity 2, ...]}`, scores and differences of each."""
    return {
        name: [
            {
                "severity": severity,
                "amount": amount,
                "amount_text": corruption.amount_text(severity),
            }
            | compare_answers(answers.clean, answers.corrupted[name, severity], resampling)
            for severity, amount in enumerate(corruption.amounts, start=1)
        ]
        for name, corruption in CORRUPTIONS.items()
    }


def compare_answers(clean: Sample, other: Sample, resampling: Resampling) -> Json:
    """Score `other`, its change from `clean`, and the changes of probabilities and decisions.

    Both hold the same studies in the same order. `<measure>` is that of `other`,
    `<measure>_change` is other minus clean on the same bootstrap draws over patients, `mean_shift`
    the mean of |p - p clean|, and `decisions_flipped` the share of studies with a different
    decision. Each is `{value, low, high}`.
    """
    changed, base = statistics(other), statistics(clean)
    wanted: dict[str, Statistic] = {name: changed[name] for name in MEASURES}
    wanted |= {f"{name}_change": difference_of(changed[name], base[name]) for name in MEASURES}
    wanted[SHIFT] = partial(_mean, np.abs(other.probability - clean.probability))
    wanted[FLIPS] = partial(_mean, flipped(clean, other).astype(np.float64))
    return _intervals(clean, wanted, resampling)


def _intervals(sample: Sample, wanted: dict[str, Statistic], resampling: Resampling) -> Json:
    intervals = bootstrap_intervals(sample.patients, wanted, resampling.draws, resampling.seed)
    return {name: interval_json(interval) for name, interval in intervals.items()}


def flipped(clean: Sample, other: Sample) -> np.ndarray:
    """Return the mask (N,) of the studies whose decision differs."""
    return np.asarray(np.asarray(clean.decision) != np.asarray(other.decision))


def _mean(values: Floats, weights: Floats) -> Floats:
    return np.asarray(weights @ values / weights.sum(axis=1))
