"""Laws of the debiased calibration error."""

from functools import partial

import numpy as np
import pytest

from ulna import metrics
from ulna.metrics.bootstrap import bootstrap_interval
from ulna.metrics.debiased import weighted_ece_debiased, weighted_squared_error
from ulna.metrics.probability import ECE_BINS, bin_of


def _calibrated(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.5, 1.2, n)
    return rng.random(n) < p, p


def _pairs(truth: np.ndarray, p: np.ndarray, weights: np.ndarray) -> float:
    """The definition, pair by pair."""
    total, share = 0.0, 0.0
    index = bin_of(p, ECE_BINS)
    for k in range(ECE_BINS):
        inside = np.flatnonzero((index == k) & (weights > 0))
        pairs = [(i, j) for i in inside for j in inside if i != j]
        if not pairs:
            continue
        w = [weights[i] * weights[j] for i, j in pairs]
        r = [(truth[i] - p[i]) * (truth[j] - p[j]) for i, j in pairs]
        total += weights[inside].sum() * np.average(r, weights=w)
        share += weights[inside].sum()
    return total / share


def test_squared_error_is_the_mean_over_pairs_of_different_studies() -> None:
    truth, p = _calibrated(60, 0)
    weights = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), size=5)
    result = weighted_squared_error(truth, p, np.vstack([np.ones(60), weights]))
    expected = [_pairs(truth, p, w) for w in (np.ones(60), *weights)]
    np.testing.assert_allclose(result, expected, atol=1e-12)


def test_it_is_kumars_estimator_where_a_bin_states_one_probability() -> None:
    rng = np.random.default_rng(2)
    p = (rng.integers(0, ECE_BINS, 400) + 0.5) / ECE_BINS
    truth = rng.random(400) < p**1.5
    expected = 0.0
    for value in np.unique(p):
        label = truth[p == value]
        n, y = len(label), label.mean()
        expected += n / 400 * ((value - y) ** 2 - y * (1 - y) / (n - 1))
    result = weighted_squared_error(truth, p, np.ones((1, 400)))[0]
    assert result == pytest.approx(expected)


def test_without_bias_where_the_plain_one_has_it() -> None:
    """Of perfectly calibrated samples of 180: squared error 0 on average, plain ECE 0.08."""
    ones = np.ones((1, 180))
    samples = [_calibrated(180, seed) for seed in range(400)]
    squared = np.array([weighted_squared_error(t, p, ones)[0] for t, p in samples])
    assert abs(squared.mean()) < 3 * squared.std() / np.sqrt(400)
    plain = np.mean([metrics.ece(t, p) for t, p in samples])
    reliability = np.mean([metrics.brier_terms(t, p).reliability for t, p in samples])
    debiased = np.mean([metrics.ece_debiased(t, p) for t, p in samples])
    assert plain > 0.07 and np.sqrt(reliability) > 0.09 > 0.04 > debiased


def test_a_known_error_is_found() -> None:
    rng = np.random.default_rng(3)
    p = rng.uniform(0.1, 0.8, 40_000)
    truth = rng.random(40_000) < p + 0.1
    assert metrics.ece_debiased(truth, p) == pytest.approx(0.1, abs=0.01)
    assert metrics.ece(truth, p) == pytest.approx(0.1, abs=0.01)


def test_interval_holds_the_truth_and_bootstrap_brings_no_bias_back() -> None:
    held = []
    for seed in range(40):
        truth, p = _calibrated(150, 1000 + seed)
        patients = [str(i) for i in range(150)]
        result = bootstrap_interval(patients, partial(weighted_ece_debiased, truth, p), 200)
        held.append(result.low == 0)
    assert np.mean(held) > 0.9


def test_undefined_without_a_pair() -> None:
    assert np.isnan(metrics.ece_debiased([0, 1], [0.05, 0.95]))
    truth, p = [0, 1, 1], [0.05, 0.95, 0.96]
    assert metrics.ece_debiased(truth, p) == pytest.approx(np.sqrt(0.05 * 0.04))
