"""Fit the exits of a cascade, with a bound on the share of decisions that differ by them.

Experts run in the order of fusion weight per multiply-add. After each but the last, the partial
sum of the fusion gets its own temperature and offset, and a straight line predicts the whole
hybrid's study logit from the stage's. A study leaves where this prediction is at least `margin`
residual standard deviations away from the hybrid's threshold. The margins are tried from wide to
narrow as a fixed sequence of tests (learn then test: Angelopoulos et al. 2021, section 2 and
appendix C.2; each bound is Clopper and Pearson's). The last margin before the first failure is
taken: with probability `confidence`, for at most the share `disagreement` of new studies from the
same distribution does the decision differ from the whole hybrid's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import special

from ulna.bundle import (
    CascadeCheck,
    CascadeParameters,
    CascadeStage,
    ConformalScores,
    FusionParameters,
)
from ulna.calibration.cascade_stage import PartStage, part_stage
from ulna.calibration.fusion_fit import Fit
from ulna.calibration.part_scores import Floats, PartScores, pooled_scores
from ulna.config.bounds import OpenShare, check_fields
from ulna.errors import ConfigError
from ulna.types import BodyPart

# In residual standard deviations, fixed in advance so that the sequence is independent of the data.
MARGINS = np.round(np.arange(8.0, -0.01, -0.05), 2)

Bounds = dict[BodyPart, tuple[float, float]]
NEVER = (0.0, 1.0)


@dataclass(frozen=True)
class CascadeSettings:
    """Bound of a cascade: the share `disagreement` of changed decisions, at this `confidence`."""

    disagreement: OpenShare = 0.01
    confidence: OpenShare = 0.90

    def __post_init__(self) -> None:
        check_fields(self, "cascade")


@dataclass(frozen=True)
class _Calibration:
    """Data for the choice of the bounds. whole: (N,) study probabilities of the whole hybrid.

    stages: of each body part. order: names of the experts in the order in which they run. costs:
    multiply-adds of the experts in this order, 0 where one has no weight for the body part.
    """

    scores: Mapping[BodyPart, PartScores]
    whole: Mapping[BodyPart, Floats]
    stages: Mapping[BodyPart, Sequence[PartStage]]
    order: Sequence[str]
    costs: Mapping[BodyPart, Floats]

    @property
    def n_studies(self) -> int:
        return sum(len(p) for p in self.whole.values())


def fit_cascade(
    scores: Mapping[BodyPart, PartScores],
    fusion: FusionParameters,
    costs: Mapping[str, float],
    requested: CascadeSettings | None = None,
) -> CascadeParameters | None:
    """Fit the cascade of a `fusion`. None with one expert. Deterministic.

    scores: of the calibration studies by body part. costs: multiply-adds of each expert, in the
    order of the scores' columns. Where the bound `requested` cannot be shown, none leaves early.
    The bound is for the studies of all body parts together. It does not account for the fit of
    fusion and thresholds on the same studies.
    """
    requested = requested or CascadeSettings()
    order = expert_order(fusion, costs)
    if len(order) < 2:
        return None
    data = _calibration(scores, fusion, costs, order)
    bounds, checks, conformal = {}, {}, {}
    for point, thresholds in fusion.thresholds.items():
        chosen, checks[point] = _choose(data, thresholds, requested)
        bounds[point] = chosen
        if checks[point].n_left:
            conformal[point] = _conformal(data, fusion.conformal, chosen)
    return CascadeParameters(
        stages=tuple(_stage(data, fusion, bounds, k) for k in range(len(order) - 1)),
        costs={n: float(c) for n, c in costs.items()},
        disagreement=requested.disagreement,
        confidence=requested.confidence,
        checks=checks,
        conformal=conformal,
    )


def expert_order(fusion: FusionParameters, costs: Mapping[str, float]) -> list[str]:
    """Sort the experts by fusion weight per multiply-add, highest first.

    The weight is the mean over body parts. Ties are ordered by cost, then by name.
    """
    worth = {n: float(np.mean([w[n] for w in fusion.weights.values()])) for n in costs}
    return sorted(costs, key=lambda n: (-worth[n] / costs[n], costs[n], n))


def for_folds(cascade: CascadeParameters, joint: Sequence[str], n: int) -> CascadeParameters:
    """Return the cascade for a bundle with `n` copies of each expert, 'name-0', 'name-1', ...

    A stage runs all copies of its experts. The bound was measured with one copy of each, so it is
    marked as not measured here: no image is unseen by all copies.
    """
    copies = {name: name.rpartition("-")[0] for name in joint}
    stages = tuple(
        replace(s, experts=tuple(j for e in s.experts for j in joint if copies[j] == e))
        for s in cascade.stages
    )
    costs = {j: cascade.costs[e] for j, e in copies.items()}
    if len(costs) != n * len(cascade.costs):
        raise ConfigError(f"{len(costs)} experts of {n} folds: expected {n} of each")
    return replace(cascade, stages=stages, costs=costs, measured=False)


def _calibration(
    scores: Mapping[BodyPart, PartScores],
    fusion: FusionParameters,
    costs: Mapping[str, float],
    order: list[str],
) -> _Calibration:
    names = list(costs)
    weights = {p: np.array([w[n] for n in names]) for p, w in fusion.weights.items()}
    whole = {
        p: s.probability(weights[p], fusion.offsets[p], fusion.temperatures[p])
        for p, s in scores.items()
    }
    pooled = pooled_scores(list(scores.values()))
    stages = {}
    for part, own in scores.items():
        runs = [np.isin(names, order[:k]) for k in range(1, len(order))]
        stages[part] = [part_stage(own, pooled, weights[part] * r, whole[part]) for r in runs]
    active = {
        p: np.array([costs[n] * (w[n] > 0) for n in order]) for p, w in fusion.weights.items()
    }
    return _Calibration(scores, whole, stages, order, active)


def _choose(
    data: _Calibration, thresholds: Mapping[BodyPart, float], requested: CascadeSettings
) -> tuple[list[Bounds], CascadeCheck]:
    """Return the bounds of each stage for the narrowest margin allowed, and their effect."""
    best = [dict.fromkeys(thresholds, NEVER) for _ in data.order[1:]]
    check = _check(data, thresholds, best, requested)
    for margin in MARGINS:
        bounds = [
            {p: _bounds_of(data, p, k, t, float(margin)) for p, t in thresholds.items()}
            for k in range(len(data.order) - 1)
        ]
        tested = _check(data, thresholds, bounds, requested)
        if tested.at_most > requested.disagreement:
            break
        best, check = bounds, tested
    return best, check


def _bounds_of(
    data: _Calibration, part: BodyPart, stage: int, threshold: float, margin: float
) -> tuple[float, float]:
    line = data.stages[part][stage].line if part in data.stages else None
    return NEVER if line is None else line.bounds(threshold, margin)


def _check(
    data: _Calibration,
    thresholds: Mapping[BodyPart, float],
    bounds: Sequence[Bounds],
    requested: CascadeSettings,
) -> CascadeCheck:
    left = changed = 0
    spent = full = 0.0
    for part, scores in data.scores.items():
        stage, probability = _left(data, part, bounds)
        last = len(data.order) - 1
        left += int((stage < last).sum())
        threshold = thresholds[part]
        changed += int(((probability >= threshold) != (data.whole[part] >= threshold)).sum())
        images = np.bincount(scores.study, minlength=len(stage))
        spent += float((np.cumsum(data.costs[part])[stage] * images).sum())
        full += float(data.costs[part].sum() * images.sum())
    n = data.n_studies
    return CascadeCheck(
        n, left, changed, upper_bound(changed, n, requested.confidence), spent / full
    )


def _left(
    data: _Calibration, part: BodyPart, bounds: Sequence[Bounds]
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the stage at which each study is answered and the probability there, both (N,)."""
    probability = data.whole[part].copy()
    stage = np.full(len(probability), len(bounds))
    for k in reversed(range(len(bounds))):
        low, high = bounds[k][part]
        own = data.stages[part][k].probability
        leaves = (own < low) | (own > high)
        stage[leaves], probability[leaves] = k, own[leaves]
    return stage, probability


def upper_bound(count: int, n: int, confidence: float) -> float:
    """Return the one-sided upper bound of a share, observed `count` of `n` (Clopper-Pearson)."""
    return float(special.betaincinv(count + 1, n - count, confidence)) if count < n else 1.0


def _conformal(
    data: _Calibration, whole: Mapping[BodyPart, ConformalScores], bounds: Sequence[Bounds]
) -> dict[BodyPart, ConformalScores]:
    """Return the cascade's own probabilities of the calibration studies, by label."""
    conformal = dict(whole)
    for part, scores in data.scores.items():
        p = _left(data, part, bounds)[1]
        normal, abnormal = np.sort(p[~scores.abnormal]), np.sort(p[scores.abnormal])
        conformal[part] = ConformalScores(tuple(map(float, normal)), tuple(map(float, abnormal)))
    return conformal


def _stage(
    data: _Calibration, fusion: FusionParameters, bounds: Mapping[str, list[Bounds]], k: int
) -> CascadeStage:
    fits = {
        p: data.stages[p][k].fit if p in data.stages else Fit(np.ones(1)) for p in fusion.weights
    }
    return CascadeStage(
        experts=(data.order[k],),
        temperatures={p: f.temperature for p, f in fits.items()},
        offsets={p: f.offset for p, f in fits.items()},
        low={o: {p: b[0] for p, b in stages[k].items()} for o, stages in bounds.items()},
        high={o: {p: b[1] for p, b in stages[k].items()} for o, stages in bounds.items()},
    )
