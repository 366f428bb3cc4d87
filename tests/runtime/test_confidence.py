"""Confidence (certain, doubtful, none), and sensitivity and specificity of a threshold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ulna.bundle import ConformalScores, FusionParameters, uncalibrated_fusion
from ulna.runtime.confidence import confidence_of, rates_at
from ulna.types import BodyPart, Confidence

WRIST = BodyPart.WRIST


def _fusion(sensitive: float, specific: float) -> FusionParameters:
    plain = uncalibrated_fusion(["cnn"], [WRIST], "balanced")
    points = {**plain.thresholds, "sensitive": {WRIST: sensitive}, "specific": {WRIST: specific}}
    return replace(plain, thresholds=points, n_calibration_studies=9)


@pytest.mark.parametrize("points", [(0.3, 0.7), (0.7, 0.3)])
def test_doubtful_lies_between_the_two_points(points: tuple[float, float]) -> None:
    fusion = _fusion(*points)
    result = [confidence_of(p, WRIST, fusion) for p in (0.0, 0.29, 0.3, 0.69, 0.7, 1.0)]
    none, doubtful, certain = Confidence.NONE, Confidence.DOUBTFUL, Confidence.CERTAIN
    assert result == [none, none, doubtful, doubtful, certain, certain]


def test_without_calibration_nothing_is_certain() -> None:
    plain = uncalibrated_fusion(["cnn"], [WRIST], "balanced")
    assert confidence_of(0.99, WRIST, plain) is None
    other = replace(plain, thresholds={"balanced": {WRIST: 0.5}}, n_calibration_studies=9)
    assert confidence_of(0.99, WRIST, other) is None


def test_rates_count_the_calibration_studies() -> None:
    scores = ConformalScores((0.1, 0.2, 0.6), (0.2, 0.5, 0.6, 0.9))
    result = rates_at(0.5, scores)
    assert (result.sensitivity, result.specificity) == (0.75, pytest.approx(2 / 3))
    assert (result.n_abnormal, result.n_normal) == (4, 3)
    empty = rates_at(0.5, ConformalScores())
    assert empty.sensitivity is empty.specificity is None
