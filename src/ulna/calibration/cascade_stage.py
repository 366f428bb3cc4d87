"""One stage of a cascade for one body part: its calibrated answer, and what it foretells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from ulna.calibration.fusion_fit import Fit, fit_part, fit_pooled, start_fit
from ulna.calibration.part_scores import Floats, PartScores, logit

# Fewer studies of a body part tell nothing of the spread: there none leaves.
MIN_PART_STUDIES = 20
# Fewer of either class take the temperature and offset of all body parts.
_MIN_CLASS = 8
_SMALLEST_SPREAD = 1e-3
_SMALLEST_SLOPE = 0.05


@dataclass(frozen=True)
class Line:
    """hybrid's study logit = slope * the stage's + level, with a standard deviation `spread`."""

    slope: float
    level: float
    spread: float

    def bounds(self, threshold: float, margin: float) -> tuple[float, float]:
        """Below and above which a study leaves, as probabilities, the threshold between them."""
        centre = float(logit(threshold)) - self.level
        low, high = (
            float(special.expit((centre + sign * margin * self.spread) / self.slope))
            for sign in (-1, 1)
        )
        return min(low, threshold), max(high, threshold)


@dataclass(frozen=True)
class PartStage:
    """A body part after some experts. probability: (N,) of its studies. line: None: none leaves."""

    fit: Fit
    probability: Floats
    line: Line | None


def part_stage(own: PartScores, pooled: PartScores, weights: Floats, whole: Floats) -> PartStage:
    """The stage of a body part whose studies are `own`, `pooled` those of all parts.

    weights: (E,) of the fusion, 0 for the experts that have not run. whole: (N,) study
    probabilities of the whole hybrid.
    """
    total = float(weights.sum())
    if not 0 < total < 1 - 1e-9:  # nothing is said yet, or nothing left to skip
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
