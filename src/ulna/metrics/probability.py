"""Metrics of predicted probabilities: Brier score, expected calibration error, reliability.

Functions with (D, N) weights return a value for each of D draws, and raise ConfigError for
weights that are negative or of another shape too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ulna.errors import ConfigError
from ulna.metrics.inputs import (
    Floats,
    check_labels,
    check_probabilities,
    check_weights,
    ratio,
    unit_weights,
)

ECE_BINS = 15


@dataclass(frozen=True)
class Reliability:
    """The points of a reliability diagram, (B,) each, over equal-width bins of [0, 1].

    count is the number of studies, stated the mean predicted probability and observed the share of
    abnormal studies; the last two are nan in an empty bin. edges has shape (B + 1,).
    """

    edges: Floats
    count: npt.NDArray[np.int64]
    stated: Floats
    observed: Floats


def bin_of(probability: Floats, bins: int) -> npt.NDArray[np.int64]:
    """Return the index, from 0, of each probability's bin among `bins` of equal width."""
    if bins < 1:
        raise ConfigError(f"{bins} bins: expected at least 1")
    # Bins are [i/B, (i+1)/B). The last one is closed, so that it contains 1.0.
    return np.minimum((probability * bins).astype(np.int64), bins - 1)


def weighted_brier(
    y_true: npt.ArrayLike, probability: npt.ArrayLike, weights_DN: npt.ArrayLike
) -> Floats:
    """Return the (D,) mean squared differences of probability and label (Brier 1950)."""
    truth = check_labels(y_true)
    stated = check_probabilities(probability, len(truth))
    weights = check_weights(weights_DN, len(truth))
    return ratio(weights @ (stated - truth) ** 2, weights.sum(axis=1))


def weighted_ece(
    y_true: npt.ArrayLike,
    probability: npt.ArrayLike,
    weights_DN: npt.ArrayLike,
    bins: int = ECE_BINS,
) -> Floats:
    """Return the (D,) expected calibration errors of P(abnormal) (Naeini 2015, Guo 2017).

    This is the sum over equal-width bins of (share of studies) x |mean probability - share
    abnormal|.
    """
    truth = check_labels(y_true)
    stated = check_probabilities(probability, len(truth))
    weights = check_weights(weights_DN, len(truth))
    member = np.eye(bins)[bin_of(stated, bins)]
    gap = weights @ (member * (stated - truth)[:, None])
    return ratio(np.abs(gap).sum(axis=1), weights.sum(axis=1))


def brier(y_true: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    """Return the Brier score, the mean of (p - y)², in [0, 1], 0 is best (Brier 1950).

    y_true has shape (N,), True or 1 = abnormal; probability (N,) in [0, 1]. Raises ConfigError for
    labels other than 0 and 1, probabilities outside [0, 1] and shapes that differ.

    Examples
    --------
    >>> round(brier([0, 1, 1], [0.1, 0.8, 0.6]), 3)
    0.07
    """
    return float(weighted_brier(y_true, probability, unit_weights(len(check_labels(y_true))))[0])


def ece(y_true: npt.ArrayLike, probability: npt.ArrayLike, bins: int = ECE_BINS) -> float:
    """Return the expected calibration error in [0, 1], 0 is best (Naeini 2015, Guo 2017).

    It is biased upwards in small samples: a perfectly calibrated model scores about 0.12 on 100
    studies. `ece_debiased` has no such bias. y_true has shape (N,), True or 1 = abnormal;
    probability (N,) in [0, 1]. Raises ConfigError as `brier` does, and for fewer than one bin.
    """
    ones = unit_weights(len(check_labels(y_true)))
    return float(weighted_ece(y_true, probability, ones, bins)[0])


def reliability(y_true: npt.ArrayLike, probability: npt.ArrayLike, bins: int = 10) -> Reliability:
    """Return the points of a reliability diagram (Niculescu-Mizil and Caruana 2005).

    y_true has shape (N,), True or 1 = abnormal; probability (N,) in [0, 1]. Raises ConfigError as
    `brier` does, and for fewer than one bin.
    """
    truth = check_labels(y_true)
    stated = check_probabilities(probability, len(truth))
    index = bin_of(stated, bins)
    count = np.bincount(index, minlength=bins)
    sums = np.bincount(index, weights=stated, minlength=bins).astype(np.float64)
    abnormal = np.bincount(index, weights=truth, minlength=bins).astype(np.float64)
    n = count.astype(np.float64)
    return Reliability(
        np.linspace(0, 1, bins + 1), count.astype(np.int64), ratio(sums, n), ratio(abnormal, n)
    )
