"""Calibration error without the bias of small samples (Kumar, Liang and Ma 2019).

The plain ECE adds up what is observed minus what is stated, bin by bin, as if a bin of ten
studies knew its true share: chance alone makes every gap positive. The *square* of a gap can be
estimated without bias: the mean product of the residuals y - p of two different studies of the
bin. It equals Kumar's estimator, gap² - variance / n, with the variance of the residuals in
the bin, so that probabilities that differ within a bin do no harm.
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
    """(D,) unbiased squared calibration error in each draw; below 0 by chance.

    Sum over equal-width bins of (share of studies) x (mean of r_i r_j over pairs i != j of the
    bin), r = y - p: arXiv 1909.10155, definition 4.1, as a U-statistic. A study that a draw
    holds twice makes no pair with itself: it is no second witness, and counting it as one would
    bring back in every draw the bias that is to go. Bins without a pair are left out; nan where
    all are.
    """
    truth = check_labels(y_true)
    stated = check_probabilities(probability, len(truth))
    weights = check_weights(weights_DN, len(truth))
    member = np.eye(bins)[bin_of(stated, bins)]
    residual = member * (truth - stated)[:, None]
    twice = weights**2
    own = twice @ residual**2
    pairs = (weights @ member) ** 2 - twice @ member
    squared = ratio((weights @ residual) ** 2 - own, np.where(pairs > 0.5, pairs, 0.0))
    share = np.where(np.isnan(squared), 0.0, weights @ member)
    return ratio((share * np.nan_to_num(squared)).sum(axis=1), share.sum(axis=1))


def weighted_ece_debiased(
    y_true: npt.ArrayLike,
    probability: npt.ArrayLike,
    weights_DN: npt.ArrayLike,
    bins: int = ECE_BINS,
) -> Floats:
    """(D,) root of the unbiased squared calibration error, 0 where that is below 0.

    A root mean square where the plain ECE is a mean, so the true value is no smaller than the
    true ECE: who holds a bound by this one holds it by that one.
    """
    squared = weighted_squared_error(y_true, probability, weights_DN, bins)
    return np.sqrt(np.maximum(squared, 0.0))


def ece_debiased(y_true: npt.ArrayLike, probability: npt.ArrayLike, bins: int = ECE_BINS) -> float:
    """Debiased calibration error (root mean square) in [0, 1], 0 is best, of (N,) probabilities.

    nan where no bin holds two studies.
    """
    ones = unit_weights(len(check_labels(y_true)))
    return float(weighted_ece_debiased(y_true, probability, ones, bins)[0])
