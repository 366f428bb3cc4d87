"""Measures of yes-or-no answers: confusion counts and what follows from them.

Each measure is computed once, from the four counts, for any number of weighted draws. It is
nan where its denominator is 0: sensitivity without abnormal, specificity without normal,
precision without a positive answer, F1 without any of these, kappa where both sides always
give the same one answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ulna.errors import ConfigError
from ulna.metrics.inputs import Floats, check_labels, check_weights, ratio, unit_weights


@dataclass(frozen=True)
class Confusion:
    """Counts of answers, each (D,) for D draws: true/false, positive/negative (= abnormal)."""

    tp: Floats
    fp: Floats
    fn: Floats
    tn: Floats

    @property
    def total(self) -> Floats:
        """(D,) all answers."""
        return self.tp + self.fp + self.fn + self.tn


def weighted_confusion(
    y_true: npt.ArrayLike, decision: npt.ArrayLike, weights_DN: npt.ArrayLike
) -> Confusion:
    """The counts in each of D draws, `weights_DN[d, n]` times study n.

    y_true, decision: (N,) bool, True = abnormal. Raises ConfigError for other input.
    """
    truth = check_labels(y_true)
    answer = check_labels(decision, "decision")
    if len(answer) != len(truth):
        raise ConfigError(f"{len(answer)} decisions for {len(truth)} labels: expected as many")
    weights = check_weights(weights_DN, len(truth))
    cells = np.stack([truth & answer, ~truth & answer, truth & ~answer, ~truth & ~answer], axis=1)
    tp, fp, fn, tn = (weights @ cells.astype(np.float64)).T
    return Confusion(tp, fp, fn, tn)


def confusion_counts(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> tuple[int, int, int, int]:
    """(true positives, false positives, false negatives, true negatives)."""
    c = weighted_confusion(y_true, decision, unit_weights(len(check_labels(y_true))))
    return int(c.tp[0]), int(c.fp[0]), int(c.fn[0]), int(c.tn[0])


def sensitivity_of(c: Confusion) -> Floats:
    """TP / (TP + FN): true positive rate, recall."""
    return ratio(c.tp, c.tp + c.fn)


def specificity_of(c: Confusion) -> Floats:
    """TN / (TN + FP): true negative rate."""
    return ratio(c.tn, c.tn + c.fp)


def precision_of(c: Confusion) -> Floats:
    """TP / (TP + FP): positive predictive value at this sample's prevalence."""
    return ratio(c.tp, c.tp + c.fp)


def f1_of(c: Confusion) -> Floats:
    """2 TP / (2 TP + FP + FN): harmonic mean of precision and sensitivity."""
    return ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn)


def accuracy_of(c: Confusion) -> Floats:
    """(TP + TN) / all."""
    return ratio(c.tp + c.tn, c.total)


def kappa_of(c: Confusion) -> Floats:
    """Cohen's kappa (Cohen 1960): (p_o - p_e) / (1 - p_e) of answer against label."""
    observed = accuracy_of(c)
    yes = ratio((c.tp + c.fp) * (c.tp + c.fn), c.total**2)
    no = ratio((c.tn + c.fn) * (c.tn + c.fp), c.total**2)
    return ratio(observed - (yes + no), 1 - (yes + no))


DECISION_MEASURES: dict[str, Callable[[Confusion], Floats]] = {
    "sensitivity": sensitivity_of,
    "specificity": specificity_of,
    "precision": precision_of,
    "f1": f1_of,
    "accuracy": accuracy_of,
    "kappa": kappa_of,
}


def _single(name: str, y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    counts = weighted_confusion(y_true, decision, unit_weights(len(check_labels(y_true))))
    return float(DECISION_MEASURES[name](counts)[0])


def sensitivity(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """True positive rate (recall) in [0, 1] of (N,) answers; nan without abnormal studies."""
    return _single("sensitivity", y_true, decision)


def specificity(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """True negative rate in [0, 1] of (N,) answers; nan without normal studies."""
    return _single("specificity", y_true, decision)


def precision(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """Positive predictive value in [0, 1] of (N,) answers; nan without a positive answer."""
    return _single("precision", y_true, decision)


def f1(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """F1 in [0, 1] of (N,) answers; nan if neither label nor answer is ever abnormal."""
    return _single("f1", y_true, decision)


def accuracy(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """Share of right answers in [0, 1] of (N,) answers."""
    return _single("accuracy", y_true, decision)


def cohen_kappa(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """Cohen's kappa in [-1, 1] of (N,) answers; nan if all labels and answers are one class."""
    return _single("kappa", y_true, decision)
