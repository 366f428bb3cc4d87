"""Ranking metrics: ROC and precision-recall, with ties, for any number of weighted draws.

Functions with (D, N) weights return a value for each of D draws, and raise ConfigError for
weights that are negative or of another shape too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ulna.metrics.inputs import (
    Floats,
    check_labels,
    check_scores,
    check_weights,
    ratio,
    unit_weights,
)


@dataclass(frozen=True)
class Curve:
    """The points of a curve, (K,) each, by falling threshold; abnormal is score >= threshold."""

    x: Floats
    y: Floats
    thresholds: Floats


def _steps(truth: npt.NDArray[np.bool_], score: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return the (D, K) weights of abnormal and of normal studies at each score, highest first."""
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    taken = weights[:, order]
    abnormal = np.add.reduceat(taken * truth[order], starts, axis=1)
    return abnormal, np.add.reduceat(taken, starts, axis=1) - abnormal


def weighted_auroc(
    y_true: npt.ArrayLike, score: npt.ArrayLike, weights_DN: npt.ArrayLike
) -> Floats:
    """Return the (D,) areas under the ROC curve, nan where a draw contains one class only.

    This is the Mann-Whitney form (Hanley and McNeil 1982): the probability that an abnormal study
    scores above a normal one, where ties count one half.
    """
    truth = check_labels(y_true)
    values = check_scores(score, len(truth))
    abnormal, normal = _steps(truth, values, check_weights(weights_DN, len(truth)))
    normal_total = normal.sum(axis=1)
    below = normal_total[:, None] - np.cumsum(normal, axis=1) + 0.5 * normal
    wins = np.einsum("dk,dk->d", abnormal, below)
    return ratio(wins, abnormal.sum(axis=1) * normal_total)


def weighted_average_precision(
    y_true: npt.ArrayLike, score: npt.ArrayLike, weights_DN: npt.ArrayLike
) -> Floats:
    """Return the (D,) average precisions, nan where a draw contains no abnormal study.

    This is the sum over thresholds of (increase of recall) x precision, without interpolation, as
    in scikit-learn's `average_precision_score`.
    """
    truth = check_labels(y_true)
    values = check_scores(score, len(truth))
    abnormal, normal = _steps(truth, values, check_weights(weights_DN, len(truth)))
    hits = np.cumsum(abnormal, axis=1)
    called = hits + np.cumsum(normal, axis=1)
    # Above the highest score of a draw nothing is called: recall does not increase there, so any
    # precision will do.
    precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
    return ratio(np.einsum("dk,dk->d", abnormal, precision), hits[:, -1])


def weighted_sensitivity_at(
    y_true: npt.ArrayLike, score: npt.ArrayLike, weights_DN: npt.ArrayLike, specificity: float
) -> Floats:
    """Return the (D,) largest sensitivities at a specificity of at least `specificity`.

    They are points of the ROC curve of each draw, without interpolation, nan where a class is
    missing.
    """
    truth = check_labels(y_true)
    values = check_scores(score, len(truth))
    abnormal, normal = _steps(truth, values, check_weights(weights_DN, len(truth)))
    false_rate = ratio(np.cumsum(normal, axis=1), normal.sum(axis=1)[:, None])
    true_rate = ratio(np.cumsum(abnormal, axis=1), abnormal.sum(axis=1)[:, None])
    allowed = false_rate <= 1 - specificity + 1e-12
    best = np.where(allowed, true_rate, 0).max(axis=1)
    defined = np.isfinite(false_rate[:, -1]) & np.isfinite(true_rate[:, -1])
    return np.asarray(np.where(defined, best, np.nan))


def auroc(y_true: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Return the area under the ROC curve in [0, 1] (Hanley and McNeil 1982).

    y_true has shape (N,), True or 1 = abnormal; score (N,), higher = more abnormal. The result is
    nan with one class only. Raises ConfigError for labels other than 0 and 1, scores that are not
    finite and shapes that differ.

    Examples
    --------
    >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    return float(weighted_auroc(y_true, score, unit_weights(len(check_labels(y_true))))[0])


def average_precision(y_true: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Return the average precision in [0, 1], defined as in scikit-learn.

    y_true has shape (N,), True or 1 = abnormal; score (N,), higher = more abnormal. The result is
    nan without abnormal labels. Raises ConfigError as `auroc` does.
    """
    ones = unit_weights(len(check_labels(y_true)))
    return float(weighted_average_precision(y_true, score, ones)[0])


def _counts(y_true: npt.ArrayLike, score: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    truth = check_labels(y_true)
    values = check_scores(score, len(truth))
    abnormal, normal = _steps(truth, values, unit_weights(len(truth)))
    thresholds = np.unique(values)[::-1]
    return np.cumsum(abnormal[0]), np.cumsum(normal[0]), thresholds


def roc_curve(y_true: npt.ArrayLike, score: npt.ArrayLike) -> Curve:
    """Return the ROC curve: false (x) and true (y) positive rate at every distinct score.

    y_true has shape (N,), True or 1 = abnormal; score (N,), higher = more abnormal. The curve
    begins at (0, 0) with an infinite threshold. An axis whose class is missing is all nan. Raises
    ConfigError as `auroc` does.
    """
    tp, fp, thresholds = _counts(y_true, score)
    tp, fp = np.r_[0.0, tp], np.r_[0.0, fp]
    return Curve(ratio(fp, fp[-1:]), ratio(tp, tp[-1:]), np.r_[np.inf, thresholds])


def pr_curve(y_true: npt.ArrayLike, score: npt.ArrayLike) -> Curve:
    """Return the precision-recall curve: recall (x) and precision (y) at every distinct score.

    y_true has shape (N,), True or 1 = abnormal; score (N,), higher = more abnormal. The curve
    begins, by convention, at recall 0 and precision 1 with an infinite threshold. Recall is nan
    without abnormal labels. Raises ConfigError as `auroc` does.
    """
    tp, fp, thresholds = _counts(y_true, score)
    recall = ratio(np.r_[0.0, tp], tp[-1:])
    return Curve(recall, np.r_[1.0, tp / (tp + fp)], np.r_[np.inf, thresholds])
