"""One stage of a cascade for one body part: its calibration, and its line to the whole hybrid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from ulna.calibration.fusion_fit import Fit, fit_part, fit_pooled, start_fit
from ulna.calibration.part_scores import Floats, PartScores, logit

# With fewer studies of a body part the spread is unknown, and none of them leaves early.
MIN_PART_STUDIES = 20
# With fewer of either class, temperature and offset of all body parts are taken.
_MIN_CLASS = 8
_SMALLEST_SPREAD = 1e-3
_SMALLEST_SLOPE = 0.05


@dataclass(frozen=True)
class Line:
    """Hybrid's study logit = slope * the stage's + level, with residual deviation `spread`."""

    slope: float
    level: float
    spread: float

    def bounds(self, threshold: float, margin: float) -> tuple[float, float]:
        """Return the probabilities (low, high) below and above which a study leaves."""
        centre = float(logit(threshold)) - self.level
        low, high = (
            float(special.expit((centre + sign * margin * self.spread) / self.slope))
            for sign in (-1, 1)
        )
        return min(low, threshold), max(high, threshold)


@dataclass(frozen=True)
class PartStage:
    """Stage of a body part. probability: (N,) of its studies. line: None if no study may leave."""

    fit: Fit
    probability: Floats
    line: Line | None


def part_stage(own: PartScores, pooled: PartScores, weights: Floats, whole: Floats) -> PartStage:
    """Fit the stage of a body part.

    own, pooled: studies of the body part and of all of them. weights: (E,) of the fusion, 0 for
    experts that have not run. whole: (N,) study probabilities of the whole hybrid.
    """
    total = float(weights.sum())
    if not 0 < total < 1 - 1e-9:  # no expert with weight has run, or all of them have
        return PartStage(Fit(weights), np.full(len(whole), 0.5), None)
    fit = fit_pooled(pooled, start_fit(weights), [])
    if own.fewest >= _MIN_CLASS:
        fit = fit_part(own, fit, [])
    probability = own.probability(fit.weights, fit.offset, fit.temperature)
    return PartStage(fit, probability, _line(logit(probability), logit(whole)))


def _line(stage: Floats, whole: Floats) -> Line | None:
    if len(stage) < MIN_PART_STUDIES or float(stage.std()) < _SMALLEST_SPREAD:
        return None
    slope, level = (float(v) for v in np.polyfit(stage, whole, 1))
    if slope < _SMALLEST_SLOPE:
        return None
    spread = float(np.std(whole - slope * stage - level, ddof=2))
    return Line(slope, level, max(spread, _SMALLEST_SPREAD))
