"""Metrics of binary decisions, computed from the confusion counts for any number of draws.

Each metric is nan where its denominator is 0.
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
    """Return (true positives, false positives, false negatives, true negatives).

    y_true and decision have shape (N,), True or 1 = abnormal. Raises ConfigError for other values
    than 0 and 1, empty arrays and lengths that differ.
    """
    c = weighted_confusion(y_true, decision, unit_weights(len(check_labels(y_true))))
    return int(c.tp[0]), int(c.fp[0]), int(c.fn[0]), int(c.tn[0])


def kappa_of(c: Confusion) -> Floats:
    """Return Cohen's kappa (p_o - p_e) / (1 - p_e) of decisions and labels (Cohen 1960)."""
    observed = ratio(c.tp + c.tn, c.total)
    yes = ratio((c.tp + c.fp) * (c.tp + c.fn), c.total**2)
    no = ratio((c.tn + c.fn) * (c.tn + c.fp), c.total**2)
    return ratio(observed - (yes + no), 1 - (yes + no))


DECISION_MEASURES: dict[str, Callable[[Confusion], Floats]] = {
    "sensitivity": lambda c: ratio(c.tp, c.tp + c.fn),
    "specificity": lambda c: ratio(c.tn, c.tn + c.fp),
    "precision": lambda c: ratio(c.tp, c.tp + c.fp),
    "f1": lambda c: ratio(2 * c.tp, 2 * c.tp + c.fp + c.fn),
    "accuracy": lambda c: ratio(c.tp + c.tn, c.total),
    "kappa": kappa_of,
}


def _single(name: str, y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    counts = weighted_confusion(y_true, decision, unit_weights(len(check_labels(y_true))))
    return float(DECISION_MEASURES[name](counts)[0])


def sensitivity(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """Return TP / (TP + FN), the true positive rate or recall, in [0, 1].

    y_true and decision have shape (N,), True or 1 = abnormal. The result is nan without abnormal
    labels. Raises ConfigError as `confusion_counts` does.
    """
    return _single("sensitivity", y_true, decision)


def specificity(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """Return TN / (TN + FP), the true negative rate, in [0, 1].

    y_true and decision have shape (N,), True or 1 = abnormal. The result is nan without normal
    labels. Raises ConfigError as `confusion_counts` does.
    """
    return _single("specificity", y_true, decision)


def precision(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """Return TP / (TP + FP), the positive predictive value at this prevalence, in [0, 1].

    y_true and decision have shape (N,), True or 1 = abnormal. The result is nan without abnormal
    decisions. Raises ConfigError as `confusion_counts` does.
    """
    return _single("precision", y_true, decision)


def f1(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """Return 2 TP / (2 TP + FP + FN), the harmonic mean of precision and sensitivity, in [0, 1].

    y_true and decision have shape (N,), True or 1 = abnormal. The result is nan if no label and no
    decision is abnormal. Raises ConfigError as `confusion_counts` does.
    """
    return _single("f1", y_true, decision)


def accuracy(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """Return (TP + TN) / N, the share of right decisions, in [0, 1].

    y_true and decision have shape (N,), True or 1 = abnormal. Raises ConfigError as
    `confusion_counts` does.
    """
    return _single("accuracy", y_true, decision)


def cohen_kappa(y_true: npt.ArrayLike, decision: npt.ArrayLike) -> float:
    """Return Cohen's kappa, (p_o - p_e) / (1 - p_e), in [-1, 1] (Cohen 1960).

    y_true and decision have shape (N,), True or 1 = abnormal. The result is nan if all labels and
    decisions are of one class. Raises ConfigError as `confusion_counts` does.

    Examples
    --------
    >>> cohen_kappa([0, 0, 1, 1], [0, 1, 1, 1])
    0.5
    """
    return _single("kappa", y_true, decision)
