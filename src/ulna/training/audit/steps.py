"""The steps of the audit: accuracy, interval, and the change from the step before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ulna.metrics.bootstrap import Interval, draw_weights
from ulna.metrics.inputs import Floats, ratio

_DRAWS = 2000


@dataclass(frozen=True)
class Answers:
    """Right (1) and wrong (0) answers, the patients' ids, and the most frequent class's share."""

    correct: Floats
    patients: tuple[str, ...]
    chance: float


@dataclass(frozen=True)
class AuditStep:
    """One step. taken: the error that it corrects. change: of the accuracy, None for the first."""

    name: str
    taken: str
    unit: str
    n: int
    chance: float
    accuracy: Interval
    change: Interval | None


@dataclass(frozen=True)
class AuditResult:
    """All steps, and Cohen's kappa of the last one, nan for decisions of a single class."""

    steps: tuple[AuditStep, ...]
    kappa: float
    n_images: int
    n_studies: int
    n_patients: int
    parts: tuple[str, ...]


def score_answers(answer: Sequence[int], target: Sequence[int], patients: Sequence[str]) -> Answers:
    """Return which answers are right, by unit."""
    predicted, true = np.asarray(answer), np.asarray(target)
    chance = float(np.bincount(true).max() / len(true))
    return Answers((predicted == true).astype(np.float64), tuple(patients), chance)


def interval(answers: Answers, baseline: Answers | None = None, seed: int = 0) -> Interval:
    """Return the accuracy of `answers`, or its difference from `baseline`, with a 95 % interval.

    By bootstrap over the patients of both, each drawn with all its answers, so that answers for the
    same patients are compared as pairs.
    """
    known = sorted({*answers.patients, *(baseline.patients if baseline else ())})
    column = {p: i for i, p in enumerate(known)}

    def accuracy(sample: Answers, counts_DP: Floats) -> Floats:
        weights = counts_DP[:, [column[p] for p in sample.patients]]
        return ratio(weights @ sample.correct, weights.sum(axis=1))

    def value(counts_DP: Floats) -> Floats:
        base = accuracy(baseline, counts_DP) if baseline else 0.0
        return np.asarray(accuracy(answers, counts_DP) - base)

    drawn = np.concatenate([value(w) for w in draw_weights(known, _DRAWS, seed)])
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    middle = float(value(np.ones((1, len(known))))[0])
    return Interval(middle, float(low), float(high), _DRAWS, int(np.isnan(drawn).sum()))
