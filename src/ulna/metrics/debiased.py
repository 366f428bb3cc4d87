"""Calibration error without the bias of small samples (Kumar, Liang and Ma 2019).

The plain ECE sums the absolute gaps between observed and predicted probabilities of the bins.
Chance alone makes each gap of a small bin positive. The *square* of a gap can be estimated without
bias, by the mean product of the residuals y - p of two different studies of the bin. It equals the
estimator of Kumar et al., gap² - variance / n, with the variance of the residuals in the bin, so
probabilities may differ within a bin.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ulna.metrics.inputs import (
    Floats,
    check_labels,
    check_probabilities,
    check_weights,
    ratio,
    unit_weights,
)
from ulna.metrics.probability import ECE_BINS, bin_of


def weighted_squared_error(
    y_true: npt.ArrayLike,
    probability: npt.ArrayLike,
    weights_DN: npt.ArrayLike,
    bins: int = ECE_BINS,
) -> Floats:
    """Return the (D,) unbiased squared calibration errors, which chance can make negative.

    This is the sum over equal-width bins of (share of studies) x (mean of r_i r_j over pairs
    i != j of the bin) with r = y - p: arXiv 1909.10155, definition 4.1, as a U-statistic. A study
    that a draw contains twice makes no pair with itself, since that would bring the bias back. Bins
    without a pair are left out. The value is nan where no bin has a pair. Raises ConfigError as
    `ece_debiased` does, and for weights that are not (D, N).
    """
    truth = check_labels(y_true)
    stated = check_probabilities(probability, len(truth))
    weights = check_weights(weights_DN, len(truth))
    member = np.eye(bins)[bin_of(stated, bins)]
    residual = member * (truth - stated)[:, None]
    squared_weights = weights**2
    self_pairs = squared_weights @ residual**2
    pairs = (weights @ member) ** 2 - squared_weights @ member
    squared = ratio((weights @ residual) ** 2 - self_pairs, np.where(pairs > 0.5, pairs, 0.0))
    share = np.where(np.isnan(squared), 0.0, weights @ member)
    return ratio((share * np.nan_to_num(squared)).sum(axis=1), share.sum(axis=1))


def weighted_ece_debiased(
    y_true: npt.ArrayLike,
    probability: npt.ArrayLike,
    weights_DN: npt.ArrayLike,
    bins: int = ECE_BINS,
) -> Floats:
    """Return the (D,) roots of the unbiased squared calibration errors, 0 where these are negative.

    The plain ECE is a mean and this a root mean square, so its true value is never below the true
    ECE. A bound that holds for this one holds for the ECE too.
    """
    squared = weighted_squared_error(y_true, probability, weights_DN, bins)
    return np.sqrt(np.maximum(squared, 0.0))


def ece_debiased(y_true: npt.ArrayLike, probability: npt.ArrayLike, bins: int = ECE_BINS) -> float:
    """Return the debiased calibration error (root mean square) in [0, 1], 0 is best.

    y_true has shape (N,), True or 1 = abnormal; probability (N,) in [0, 1]. The result is nan where
    no bin contains two studies. Source: Kumar, Liang and Ma 2019, definition 4.1. Raises
    ConfigError for labels other than 0 and 1, probabilities outside [0, 1], shapes that differ,
    and fewer than one bin.
    """
    ones = unit_weights(len(check_labels(y_true)))
    return float(weighted_ece_debiased(y_true, probability, ones, bins)[0])
