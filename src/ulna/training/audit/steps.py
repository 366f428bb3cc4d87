"""Steps of the waterfall: an accuracy each, its interval, and what changed from the one before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ulna.metrics.bootstrap import Interval, draw_weights
from ulna.metrics.inputs import Floats, ratio

_DRAWS = 2000


@dataclass(frozen=True)
class Judged:
    """Answers that are right or wrong. correct: (N,) 0 or 1; patients: (N,) ids. chance: the
    accuracy of always saying the most frequent class."""

    correct: Floats
    patients: tuple[str, ...]
    chance: float


@dataclass(frozen=True)
class AuditStep:
    """One bar. accuracy with its interval over patients; change: from the step before, None for
    the first; taken: what this step puts right."""

    name: str
    taken: str
    unit: str
    n: int
    chance: float
    accuracy: Interval
    change: Interval | None


@dataclass(frozen=True)
class AuditResult:
    """All steps; kappa: Cohen's, of the last step's decisions, which chance agreement cannot
    raise; nan where labels and decisions are all of one class."""

    steps: tuple[AuditStep, ...]
    kappa: float
    n_images: int
    n_studies: int
    n_patients: int
    parts: tuple[str, ...]


def judged(answer: Sequence[int], target: Sequence[int], patients: Sequence[str]) -> Judged:
    """Right or wrong, by unit."""
    message, true = np.asarray(answer), np.asarray(target)
    chance = float(np.bincount(true).max() / len(true))
    return Judged((message == true).astype(np.float64), tuple(patients), chance)


def interval(one: Judged, less: Judged | None = None, seed: int = 0) -> Interval:
    """The accuracy of `one`, or how much it exceeds that of `less`, with a 95 % interval.

    By bootstrap over the patients of both, each drawn together with all that is known of it, so
    that answers on the same patients are compared as pairs.
    """
    known = sorted({*one.patients, *(less.patients if less else ())})
    column = {p: i for i, p in enumerate(known)}

    def accuracy(sample: Judged, counts_DP: Floats) -> Floats:
        weights = counts_DP[:, [column[p] for p in sample.patients]]
        return ratio(weights @ sample.correct, weights.sum(axis=1))

    def value(counts_DP: Floats) -> Floats:
        base = accuracy(less, counts_DP) if less else 0.0
        return np.asarray(accuracy(one, counts_DP) - base)

    drawn = np.concatenate([value(w) for w in draw_weights(known, _DRAWS, seed)])
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    middle = float(value(np.ones((1, len(known))))[0])
    return Interval(middle, float(low), float(high), _DRAWS, int(np.isnan(drawn).sum()))
