"""Calibration of one finding category: Platt scaling, and a threshold per operating point."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ulna.errors import BundleError
from ulna.types import FindingCategory


@dataclass(frozen=True)
class FindingCalibration:
    """Calibrated logit of a category = (sum of weight * logit + offset) / temperature.

    One for all body parts, as is the head of a category. thresholds: operating point -> study
    probability from which the category is called present. n_present, n_absent: numbers of
    calibration studies labelled with and without the category.
    """

    temperature: float
    offset: float
    thresholds: dict[str, float]
    n_present: int
    n_absent: int

    def __post_init__(self) -> None:
        if not (0 < self.temperature < math.inf and math.isfinite(self.offset)):
            raise BundleError(
                f"finding: temperature {self.temperature}, offset {self.offset}: expected a "
                "positive and a finite number"
            )
        if not all(0 <= t <= 1 for t in self.thresholds.values()):
            raise BundleError(f"finding: thresholds {self.thresholds}: expected 0 to 1")
        if min(self.n_present, self.n_absent) < 1:
            raise BundleError(
                f"finding: {self.n_present} studies with and {self.n_absent} without it: "
                "expected both, or the category left out"
            )


def check_points(
    findings: Mapping[FindingCategory, FindingCalibration], points: Iterable[str]
) -> None:
    """Raise BundleError unless every category has a threshold for each operating point."""
    wanted = set(points)
    for category, own in findings.items():
        if not wanted <= set(own.thresholds):
            raise BundleError(
                f"finding {category}: thresholds for {', '.join(own.thresholds) or 'no point'}: "
                f"expected the operating points {', '.join(sorted(wanted))}"
            )


def check_findings(
    categories: Collection[FindingCategory],
    findings: Mapping[FindingCategory, FindingCalibration],
    points: Iterable[str],
    biases: Mapping[str, Mapping[FindingCategory, float]],
) -> None:
    """Raise BundleError unless calibration and experts' `biases` match the bundle's categories."""
    known = set(categories)
    if not set(findings) <= known:
        raise BundleError(
            f"calibration of findings {sorted(findings)}: expected some of the bundle's "
            f"{sorted(known)}"
        )
    check_points(findings, points)
    for expert, own in biases.items():
        if own and set(own) != known:
            raise BundleError(
                f"finding biases of expert {expert!r} for {sorted(own)}: expected the bundle's "
                f"{sorted(known)}"
            )
