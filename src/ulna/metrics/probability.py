"""Measures of stated probabilities: Brier score, expected calibration error, reliability."""

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
    """(B,) each, equal-width bins of [0, 1]: how many studies, mean stated, share observed.

    stated and observed are nan in an empty bin. edges is (B + 1,).
    """

    edges: Floats
    count: npt.NDArray[np.int64]
    stated: Floats
    observed: Floats


def bin_of(probability: Floats, bins: int) -> npt.NDArray[np.int64]:
    """The bin of each of (N,) probabilities among `bins` of equal width, from 0."""
    if bins < 1:
        raise ConfigError(f"{bins} bins: expected at least 1")
    # [i/B, (i+1)/B), the last one closed: 1.0 belongs to it.
    return np.minimum((probability * bins).astype(np.int64), bins - 1)


def weighted_brier(
    y_true: npt.ArrayLike, probability: npt.ArrayLike, weights_DN: npt.ArrayLike
) -> Floats:
    """(D,) mean squared difference of probability and label in each draw (Brier 1950)."""
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
    """(D,) expected calibration error in each draw (Naeini 2015, Guo 2017, on P(abnormal)).

    Sum over equal-width bins of (share of studies) x |mean stated - share abnormal|.
    """
    truth = check_labels(y_true)
    stated = check_probabilities(probability, len(truth))
    weights = check_weights(weights_DN, len(truth))
    member = np.eye(bins)[bin_of(stated, bins)]
    gap = weights @ (member * (stated - truth)[:, None])
    return ratio(np.abs(gap).sum(axis=1), weights.sum(axis=1))


def brier(y_true: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    """Brier score in [0, 1], 0 is best, of (N,) probabilities."""
    return float(weighted_brier(y_true, probability, unit_weights(len(check_labels(y_true))))[0])


def ece(y_true: npt.ArrayLike, probability: npt.ArrayLike, bins: int = ECE_BINS) -> float:
    """Expected calibration error in [0, 1], 0 is best, of (N,) probabilities; 15 bins.

    Biased upwards in small samples: a perfectly calibrated model of 100 studies has about 0.12.
    `ece_debiased` is not.
    """
    ones = unit_weights(len(check_labels(y_true)))
    return float(weighted_ece(y_true, probability, ones, bins)[0])


def reliability(y_true: npt.ArrayLike, probability: npt.ArrayLike, bins: int = 10) -> Reliability:
    """The points of a reliability plot (Niculescu-Mizil and Caruana 2005)."""
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
