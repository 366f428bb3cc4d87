"""Metrics of binary decisions, all computed from the confusion counts.

Labels and decisions have shape (N,), True or 1 = abnormal. Each metric is computed from the four
counts for any number of weighted draws, and is nan where its denominator is 0. Every public
function raises ConfigError for values other than 0 and 1, empty arrays and lengths that differ.
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
    """Confusion counts, (D,) each for D draws; positive means called abnormal."""

    tp: Floats
    fp: Floats
    fn: Floats
    tn: Floats

    @property
    def total(self) -> Floats:
        """The (D,) numbers of all decisions."""
        return self.tp + self.fp + self.fn + self.tn


def weighted_confusion(
    y_true: npt.ArrayLike, decision: npt.ArrayLike, weights_DN: npt.ArrayLike
) -> Confusion:
    """Return the confusion counts of D draws, in which study n counts weights_DN[d, n] times.

    y_true and decision have shape (N,), True or 1 = abnormal. Raises ConfigError for values other
    than 0 and 1, lengths that differ, and weights that are negative or not (D, N).
    """
    truth = check_labels(y_true)
    called = check_labels(decision, "decision")
    if len(called) != len(truth):
        raise ConfigError(
            f"{len(called)} decisions for {len(truth)} labels: expected the same number of each"
        )
    weights = check_weights(weights_DN, len(truth))
    cells = np.stack([truth & called, ~truth & called, truth & ~called, ~truth & ~called], axis=1)
    tp, fp, fn, tn = (weights @ cells.astype(np.float64)).T
    return Confusion(tp, fp, fn, tn)


def confusion_counts(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> tuple[int, int, int, int]:
    """Return (true positives, false positives, false negatives, true negatives)."""
    c = weighted_confusion(y_true, decision, unit_weights(len(check_labels(y_true))))
    return int(c.tp[0]), int(c.fp[0]), int(c.fn[0]), int(c.tn[0])


def sensitivity_of(c: Confusion) -> Floats:
    """Return TP / (TP + FN), the true positive rate (recall)."""
    return ratio(c.tp, c.tp + c.fn)


def specificity_of(c: Confusion) -> Floats:
    """Return TN / (TN + FP), the true negative rate."""
    return ratio(c.tn, c.tn + c.fp)


def precision_of(c: Confusion) -> Floats:
    """Return TP / (TP + FP), the positive predictive value at this sample's prevalence."""
    return ratio(c.tp, c.tp + c.fp)


def f1_of(c: Confusion) -> Floats:
    """Return 2 TP / (2 TP + FP + FN), the harmonic mean of precision and sensitivity."""
    return ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn)


def accuracy_of(c: Confusion) -> Floats:
    """Return (TP + TN) / (TP + TN + FP + FN)."""
    return ratio(c.tp + c.tn, c.total)


def kappa_of(c: Confusion) -> Floats:
    """Return Cohen's kappa (p_o - p_e) / (1 - p_e) of decisions and labels (Cohen 1960)."""
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
    """Return TP / (TP + FN), also called recall, in [0, 1]; nan without abnormal labels."""
    return _single("sensitivity", y_true, decision)


def specificity(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """Return TN / (TN + FP) in [0, 1]; nan without normal labels."""
    return _single("specificity", y_true, decision)


def precision(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """Return TP / (TP + FP), the positive predictive value, in [0, 1]; nan if none is positive."""
    return _single("precision", y_true, decision)


def f1(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """Return 2 TP / (2 TP + FP + FN) in [0, 1]; nan if no label and no decision is abnormal."""
    return _single("f1", y_true, decision)


def accuracy(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """Return the share of right decisions, (TP + TN) / N, in [0, 1]."""
    return _single("accuracy", y_true, decision)


def cohen_kappa(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """Return Cohen's kappa (Cohen 1960) in [-1, 1]; nan if labels and decisions are one class.

    Examples
    --------
    >>> cohen_kappa([0, 0, 1, 1], [0, 1, 1, 1])
    0.5
    """
    return _single("kappa", y_true, decision)
