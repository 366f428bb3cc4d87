"""What the Brier score is made of: reliability, resolution, uncertainty, and the rest."""

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
    """brier = reliability - resolution + uncertainty + within, exactly.

    reliability: squared gap of stated and observed, 0 is best. resolution: how far the observed
    shares of the bins lie apart, more is better. uncertainty: of the labels alone. within: what
    grouping in bins hides, of either sign, near 0.
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
    """(D,) each of TERMS in each draw, over equal-width bins k with shares f_k.

    Murphy 1973: reliability = sum f_k (p_k - y_k)², resolution = sum f_k (y_k - y)²,
    uncertainty = y (1 - y), of means p_k, y_k of the bins. Probabilities that differ within a bin
    need two more (Stephenson, Coelho and Jolliffe 2008, equation 5): their variance in the bins
    less twice their covariance with the labels, together `within`. Reliability and resolution
    are both biased upwards in small samples, by the same amount (Bröcker 2012); the square of
    `ece_debiased` is the reliability without it.
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
    """(D,) one of TERMS in each draw."""
    return weighted_brier_terms(y_true, probability, weights_DN)[name]


def brier_terms(
    y_true: npt.ArrayLike, probability: npt.ArrayLike, bins: int = ECE_BINS
) -> BrierTerms:
    """The terms of the Brier score of (N,) probabilities."""
    ones = unit_weights(len(check_labels(y_true)))
    result = weighted_brier_terms(y_true, probability, ones, bins)
    return BrierTerms(**{name: float(value[0]) for name, value in result.items()})
