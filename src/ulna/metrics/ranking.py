"""Measures of order: ROC and precision-recall, with ties, for any number of weighted draws."""

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
    """Points of a curve, (K,) each, by falling threshold: answer abnormal if score >= it."""

    x: Floats
    y: Floats
    thresholds: Floats


def _steps(truth: npt.NDArray[np.bool_], score: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weight of abnormal and of normal at each distinct score, highest first: (D, K) each."""
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    taken = weights[:, order]
    abnormal = np.add.reduceat(taken * truth[order], starts, axis=1)
    return abnormal, np.add.reduceat(taken, starts, axis=1) - abnormal


def weighted_auroc(
    y_true: npt.ArrayLike, score: npt.ArrayLike, weights_DN: npt.ArrayLike
) -> Floats:
    """(D,) area under the ROC curve in each draw, nan where a draw holds one class only.

    The Mann-Whitney form (Hanley and McNeil 1982): the chance that an abnormal study scores
    above a normal one, ties counting one half. y_true (N,) bool, score (N,), weights (D, N).
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
    """(D,) average precision in each draw, nan where a draw holds no abnormal study.

    Sum over thresholds of (recall step) x precision, without interpolation: the definition
    of scikit-learn's `average_precision_score`.
    """
    truth = check_labels(y_true)
    values = check_scores(score, len(truth))
    abnormal, normal = _steps(truth, values, check_weights(weights_DN, len(truth)))
    result = np.cumsum(abnormal, axis=1)
    called = result + np.cumsum(normal, axis=1)
    # A score that the draw did not take calls nothing yet: its step is 0, its precision any.
    shares = np.divide(result, called, out=np.zeros_like(result), where=called > 0)
    return ratio(np.einsum("dk,dk->d", abnormal, shares), result[:, -1])


def weighted_sensitivity_at(
    y_true: npt.ArrayLike, score: npt.ArrayLike, weights_DN: npt.ArrayLike, specificity: float
) -> Floats:
    """(D,) the largest sensitivity in each draw at a specificity of at least `specificity`.

    Read off the draw's own ROC steps, without interpolation; nan where a class is missing.
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
    """Area under the ROC curve in [0, 1] of (N,) scores; nan with one class only."""
    return float(weighted_auroc(y_true, score, unit_weights(len(check_labels(y_true))))[0])


def average_precision(y_true: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Average precision in [0, 1] of (N,) scores; nan without abnormal studies."""
    ones = unit_weights(len(check_labels(y_true)))
    return float(weighted_average_precision(y_true, score, ones)[0])


def _counts(y_true: npt.ArrayLike, score: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    truth = check_labels(y_true)
    values = check_scores(score, len(truth))
    abnormal, normal = _steps(truth, values, unit_weights(len(truth)))
    thresholds = np.unique(values)[::-1]
    return np.cumsum(abnormal[0]), np.cumsum(normal[0]), thresholds


def roc_curve(y_true: npt.ArrayLike, score: npt.ArrayLike) -> Curve:
    """x: false positive rate, y: true positive rate at every distinct score, from (0, 0).

    The first threshold is infinite. An axis whose class is missing is nan throughout.
    """
    tp, fp, thresholds = _counts(y_true, score)
    tp, fp = np.r_[0.0, tp], np.r_[0.0, fp]
    return Curve(ratio(fp, fp[-1:]), ratio(tp, tp[-1:]), np.r_[np.inf, thresholds])


def pr_curve(y_true: npt.ArrayLike, score: npt.ArrayLike) -> Curve:
    """x: recall, y: precision at every distinct score, by rising recall.

    The first point is recall 0 with precision 1 at an infinite threshold, by convention.
    Recall is nan without abnormal studies.
    """
    tp, fp, thresholds = _counts(y_true, score)
    recall = ratio(np.r_[0.0, tp], tp[-1:])
    return Curve(recall, np.r_[1.0, tp / (tp + fp)], np.r_[np.inf, thresholds])
