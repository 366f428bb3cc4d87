"""Convex weights, temperature and offset of one body part, from few calibration studies.

The objective is the negative log-likelihood of the study labels plus the penalty of a prior
around a centre. The centre of the pooled fit is equal weights, T = 1 and offset 0. The centre of
each body part is the pooled fit. A body part with few studies therefore stays near the fit of all,
and labels that a threshold separates perfectly do not drive the temperature to 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize

from ulna.calibration.part_scores import Floats, PartScores

# In nats: moving all weight from equal shares to one of E experts costs WEIGHT_PRIOR * log E,
# about the gain in log-likelihood that a few studies can give.
WEIGHT_PRIOR = 3.0
# Standard deviations of the normal priors on log T and on offset / T (logits).
_POOLED_SPREAD = (1.0, 2.0)
_PART_SPREAD = (0.4, 0.7)
_HOSPITAL_SPREAD = (0.4, 2.0)
# An expert below this share is left out, so that it need not be run.
_SMALLEST_WEIGHT = 0.05
_LOG_T_BOUND = 4.0


@dataclass(frozen=True)
class Fit:
    """Calibrated logit z = (logits @ weights + offset) / temperature, weights (E,) convex."""

    weights: Floats
    temperature: float = 1.0
    offset: float = 0.0


def start_fit(weights: Floats) -> Fit:
    """Return the uncalibrated fit with these weights, scaled to sum 1."""
    return Fit(weights / weights.sum())


def fit_pooled(scores: PartScores, start: Fit, free: Sequence[int]) -> Fit:
    """Fit all body parts together. free: experts whose weights are fitted, [] to keep all."""
    return _fit(scores, start, free, _POOLED_SPREAD)


def fit_part(scores: PartScores, pooled: Fit, free: Sequence[int]) -> Fit:
    """Fit one body part, with a prior centred on `pooled`."""
    return _fit(scores, pooled, free, _PART_SPREAD)


def fit_hospital(scores: PartScores, start: Fit) -> Fit:
    """Fit temperature and offset of another hospital, with a prior centred on `start`.

    The weights stay. The prior on the offset is wider than that of a body part: what is called
    abnormal and how images are processed differ more between hospitals than between body parts.
    """
    return _fit(scores, start, [], _HOSPITAL_SPREAD)


def _fit(scores: PartScores, centre: Fit, free: Sequence[int], spread: tuple[float, float]) -> Fit:
    if free:
        chosen = _minimise(scores, centre, list(free), spread)
        kept = np.where(chosen.weights < _SMALLEST_WEIGHT, 0.0, chosen.weights)
        centre = replace(centre, weights=kept / kept.sum())
    return _minimise(scores, centre, [], spread)


def _minimise(scores: PartScores, centre: Fit, free: list[int], spread: tuple[float, float]) -> Fit:
    def decoded(x: Floats) -> Fit:
        weights = centre.weights.copy()
        if free:
            share = np.exp(x[2:] - x[2:].max())
            weights[free] = weights[free].sum() * share / share.sum()
        temperature = float(np.exp(x[0]))
        return Fit(weights, temperature, float(x[1]) * temperature)

    def loss(x: Floats) -> float:
        return _loss(scores, decoded(x), centre, spread)

    first = np.zeros(2 + len(free))
    first[:2] = np.log(centre.temperature), centre.offset / centre.temperature
    first[2:] = np.log(np.maximum(centre.weights[free], 1e-3))
    bounds = [(-_LOG_T_BOUND, _LOG_T_BOUND), (-20.0, 20.0), *[(-12.0, 12.0)] * len(free)]
    result = optimize.minimize(loss, first, method="L-BFGS-B", bounds=bounds)
    return decoded(np.asarray(result.x, dtype=np.float64))


def _loss(scores: PartScores, fit: Fit, centre: Fit, spread: tuple[float, float]) -> float:
    p = np.clip(scores.probability(fit.weights, fit.offset, fit.temperature), 1e-9, 1 - 1e-9)
    labels = float(-np.log(np.where(scores.abnormal, p, 1 - p)).sum())
    ratio = np.maximum(fit.weights, 1e-12) / np.maximum(centre.weights, 1e-3)
    moved = float((fit.weights * np.log(ratio)).sum())
    scale = np.log(fit.temperature / centre.temperature) / spread[0]
    shift = fit.offset / fit.temperature - centre.offset / centre.temperature
    prior = WEIGHT_PRIOR * moved + 0.5 * (scale**2 + (shift / spread[1]) ** 2)
    return float(labels + prior)
