"""The parameters of a cascade, which skips experts (early exit); fitted by calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ulna.bundle.conformal_scores import ConformalScores
from ulna.bundle.finding_calibration import FindingCalibration, check_points
from ulna.errors import BundleError
from ulna.types import BodyPart, FindingCategory

ByPoint = dict[str, dict[BodyPart, float]]


@dataclass(frozen=True)
class CascadeStage:
    """One stage of a cascade: how the experts run so far are fused, and when a study exits.

    experts: those that this stage adds. temperatures, offsets, findings: calibration of the fusion
    of all experts so far, whose weights are scaled to sum 1. low, high: operating point -> body
    part -> study probability below or above which the study exits; 0 and 1 where none does.
    low <= threshold <= high, so exiting does not change the side of the threshold.
    """

    experts: tuple[str, ...]
    temperatures: dict[BodyPart, float]
    offsets: dict[BodyPart, float]
    low: ByPoint
    high: ByPoint
    findings: dict[FindingCategory, FindingCalibration] = field(default_factory=dict)

    def exits(self, probability: float, part: BodyPart, point: str) -> bool:
        """Whether a study with this probability, from the experts so far, exits here."""
        return not self.low[point][part] <= probability <= self.high[point][part]


@dataclass(frozen=True)
class CascadeCheck:
    """The effect of the cascade at one operating point on the n_studies it was fitted on.

    n_left: studies that exited before the last expert; n_changed: those of them on the other side
    of the threshold than by the whole hybrid. at_most: upper confidence bound of the share of
    changed studies (Clopper and Pearson 1934). cost: mean multiply-adds relative to the hybrid's.
    """

    n_studies: int
    n_left: int
    n_changed: int
    at_most: float
    cost: float

    def __post_init__(self) -> None:
        counts = 0 <= self.n_changed <= self.n_left <= self.n_studies
        if not (counts and 0 <= self.at_most <= 1 and 0 <= self.cost <= 1):
            raise BundleError(f"cascade: {self}: expected counts in order and shares in [0, 1]")


@dataclass(frozen=True)
class CascadeParameters:
    """A bundle's cascade: all stages except the last, which is the whole hybrid.

    costs: multiply-adds of each expert for one image. disagreement: the share of studies that may
    change side; confidence: the confidence level of the bound on it. checks, conformal: by
    operating point; conformal are the cascade's probabilities of the calibration studies.
    measured: False where the bound was computed with the experts of single folds, although the
    bundle averages them.
    """

    stages: tuple[CascadeStage, ...]
    costs: dict[str, float]
    disagreement: float
    confidence: float
    checks: dict[str, CascadeCheck]
    conformal: dict[str, dict[BodyPart, ConformalScores]] = field(default_factory=dict)
    measured: bool = True

    def __post_init__(self) -> None:
        if not (0 < self.disagreement < 1 and 0 < self.confidence < 1):
            raise BundleError(
                f"cascade: disagreement {self.disagreement}, confidence {self.confidence}: "
                "expected shares between 0 and 1"
            )
        if not all(0 < c < math.inf for c in self.costs.values()):
            raise BundleError(f"cascade: costs {self.costs}: expected positive numbers")
        if not self.stages or not all(s.experts for s in self.stages):
            raise BundleError("cascade: expected stages, and experts in each of them")

    @property
    def n_needed(self) -> int:
        """The smallest number of studies that can prove the bound: with none changing side."""
        return math.ceil(math.log(1 - self.confidence) / math.log(1 - self.disagreement))

    def experts_after(self, stage: int) -> tuple[str, ...]:
        """Names of the experts that have run after stage number `stage`, counted from 0."""
        return tuple(n for s in self.stages[: stage + 1] for n in s.experts)

    def check(self, names: set[str], parts: set[BodyPart], thresholds: ByPoint) -> None:
        """Raise BundleError unless this fits the experts, body parts and thresholds of a bundle."""
        run = self.experts_after(len(self.stages))
        if len(set(run)) < len(run) or not set(run) < names or set(self.costs) != names:
            raise BundleError(
                f"cascade of {list(run)}, costs of {sorted(self.costs)}: expected each expert of "
                f"{sorted(names)} once, and at least one left for the last stage"
            )
        if set(self.checks) != set(thresholds) or not set(self.conformal) <= set(thresholds):
            raise BundleError(
                f"cascade for {', '.join(self.checks)}: expected the operating points "
                f"{', '.join(thresholds)}"
            )
        for scores in self.conformal.values():
            _check_parts("conformal scores", scores, parts)
        for stage in self.stages:
            _check_stage(stage, parts, thresholds)


def _check_stage(stage: CascadeStage, parts: set[BodyPart], thresholds: ByPoint) -> None:
    _check_parts("temperatures", stage.temperatures, parts)
    _check_parts("offsets", stage.offsets, parts)
    check_points(stage.findings, thresholds)
    if not all(0 < t < math.inf for t in stage.temperatures.values()):
        raise BundleError(f"cascade: temperatures {stage.temperatures}: expected positive numbers")
    if not all(map(math.isfinite, stage.offsets.values())):
        raise BundleError(f"cascade: offsets {stage.offsets}: expected finite numbers")
    for name, bounds in (("low", stage.low), ("high", stage.high)):
        if set(bounds) != set(thresholds):
            raise BundleError(
                f"cascade: {name} for {', '.join(bounds)}: expected the operating points "
                f"{', '.join(thresholds)}"
            )
        for values in bounds.values():
            _check_parts(name, values, parts)
    for point, by_part in thresholds.items():
        for part, threshold in by_part.items():
            low, high = stage.low[point][part], stage.high[point][part]
            if not 0 <= low <= threshold <= high <= 1:  # also fails for nan
                raise BundleError(
                    f"cascade: {part} exits below {low} and above {high} at {point!r}: expected "
                    f"the threshold {threshold} between them"
                )


def _check_parts(name: str, table: Mapping[BodyPart, object], parts: set[BodyPart]) -> None:
    if set(table) != parts:
        raise BundleError(
            f"cascade: {name} for {sorted(table)}: expected the body parts {sorted(parts)}"
        )
