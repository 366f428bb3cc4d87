"""Laws of Brier score, ECE and reliability."""

import math

import numpy as np
import pytest
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from ulna import metrics
from ulna.errors import ConfigError
from ulna.metrics.probability import weighted_brier, weighted_ece


def test_brier_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, p = rng.random(80) < 0.3, rng.random(80)
    assert metrics.brier(truth, p) == pytest.approx(reference.brier_score_loss(truth, p))


def test_ece_equals_its_definition() -> None:
    rng = np.random.default_rng(1)
    truth, p = rng.random(200) < 0.3, np.r_[0.0, 1.0, rng.random(198)]
    expected = 0.0
    for i in range(15):
        last = i == 14
        inside = (p >= i / 15) & ((p <= 1) if last else (p < (i + 1) / 15))
        if inside.any():
            expected += inside.mean() * abs(p[inside].mean() - truth[inside].mean())
    assert metrics.ece(truth, p) == pytest.approx(expected)


def test_ece_of_certain_right_and_wrong_answers() -> None:
    assert metrics.ece([0, 1], [0.0, 1.0]) == 0
    assert metrics.ece([0, 1], [1.0, 0.0]) == 1


def test_weights_repeat_studies() -> None:
    rng = np.random.default_rng(2)
    truth, p = rng.random(50) < 0.5, rng.random(50)
    weights = rng.integers(0, 3, size=(7, 50))
    for row, a, b in zip(
        weights, weighted_brier(truth, p, weights), weighted_ece(truth, p, weights), strict=True
    ):
        assert a == pytest.approx(metrics.brier(np.repeat(truth, row), np.repeat(p, row)))
        assert b == pytest.approx(metrics.ece(np.repeat(truth, row), np.repeat(p, row)))


def test_reliability_equals_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    p = rng.random(300)
    truth = rng.random(300) < p
    points = metrics.reliability(truth, p)
    observed, stated = calibration_curve(truth, p, n_bins=10)
    filled = points.count > 0
    np.testing.assert_allclose(points.observed[filled], observed)
    np.testing.assert_allclose(points.stated[filled], stated)
    assert points.count.sum() == 300


def test_empty_bin_is_nan() -> None:
    assert math.isnan(metrics.reliability([0, 1], [0.05, 0.95]).stated[5])


def test_logits_are_refused() -> None:
    with pytest.raises(ConfigError, match="sigmoid"):
        metrics.brier([0, 1], [-2.0, 3.0])
