"""The decomposition of the Brier score in reliability, resolution, uncertainty and a remainder."""

from __future__ import annotations

from dataclasses import dataclass

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

TERMS = ("reliability", "resolution", "uncertainty", "within")


@dataclass(frozen=True)
class BrierTerms:
    """The terms of a Brier score, which equals reliability - resolution + uncertainty + within.

    reliability is the mean squared gap between the predicted and the observed probability of a
    bin, 0 is best. resolution is the variance of the observed probabilities of the bins, more is
    better. uncertainty depends on the labels alone. within is the remainder that grouping in bins
    hides; it may be negative and is close to 0.
    """

    reliability: float
    resolution: float
    uncertainty: float
    within: float


def weighted_brier_terms(
    y_true: npt.ArrayLike,
    probability: npt.ArrayLike,
    weights_DN: npt.ArrayLike,
    bins: int = ECE_BINS,
) -> dict[str, Floats]:
    """Return each of TERMS as (D,) values, one for each draw.

    With shares f_k and means p_k, y_k of equal-width bins k, Murphy 1973 defines reliability =
    sum f_k (p_k - y_k)², resolution = sum f_k (y_k - y)² and uncertainty = y (1 - y). Where
    probabilities differ within a bin, two more terms are needed (Stephenson, Coelho and Jolliffe
    2008, equation 5): their variance within bins minus twice their covariance with the labels.
    These two make `within`. Reliability and resolution are biased upwards in small samples by the
    same amount (Bröcker 2012). The square of `ece_debiased` is the reliability without that bias.
    Raises ConfigError as `brier_terms` does, and for weights that are not (D, N).
    """
    truth = check_labels(y_true).astype(np.float64)
    stated = check_probabilities(probability, len(truth))
    weights = check_weights(weights_DN, len(truth))
    member = np.eye(bins)[bin_of(stated, bins)]
    count = weights @ member
    label = ratio(weights @ (member * truth[:, None]), count)
    mean = ratio(weights @ (member * stated[:, None]), count)
    base = ratio(weights @ truth, weights.sum(axis=1))
    square = ratio(weights @ (member * (stated**2)[:, None]), count)
    product = ratio(weights @ (member * (stated * truth)[:, None]), count)
    within = (square - mean**2) - 2 * (product - mean * label)

    def over_bins(values_DB: Floats) -> Floats:
        return ratio(np.nansum(count * values_DB, axis=1), weights.sum(axis=1))

    return {
        "reliability": over_bins((mean - label) ** 2),
        "resolution": over_bins((label - base[:, None]) ** 2),
        "uncertainty": base * (1 - base),
        "within": over_bins(within),
    }


def weighted_brier_term(
    name: str, y_true: npt.ArrayLike, probability: npt.ArrayLike, weights_DN: npt.ArrayLike
) -> Floats:
    """Return the one of TERMS that is called `name`, as (D,) values."""
    return weighted_brier_terms(y_true, probability, weights_DN)[name]


def brier_terms(
    y_true: npt.ArrayLike, probability: npt.ArrayLike, bins: int = ECE_BINS
) -> BrierTerms:
    """Return the terms of the Brier score of (N,) probabilities in [0, 1].

    y_true has shape (N,), True or 1 = abnormal. Source: Murphy 1973, with the remainder of
    Stephenson, Coelho and Jolliffe 2008. Raises ConfigError for labels other than 0 and 1,
    probabilities outside [0, 1], shapes that differ, and fewer than one bin.
    """
    ones = unit_weights(len(check_labels(y_true)))
    terms = weighted_brier_terms(y_true, probability, ones, bins)
    return BrierTerms(**{name: float(value[0]) for name, value in terms.items()})
