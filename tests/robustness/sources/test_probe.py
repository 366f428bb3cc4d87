"""The source probe: an independent reference, chance without a signal, folds by patient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ulna.errors import DatasetError
from ulna.evaluation.scores import Resampling
from ulna.robustness.sources.probe import (
    ImageFeatures,
    ProbeSettings,
    _folds_by_patient,
    fit_logistic,
    probe_sources,
)

HOW = Resampling(draws=200)


def _images(n: int = 240, gap: float = 0.0, k: int = 2, seed: int = 0) -> ImageFeatures:
    """Two images a patient; the first feature differs by `gap` between sources."""
    rng = np.random.default_rng(seed)
    source = np.array([f"s{i % k}" for i in range(n // 2)]).repeat(2)
    patient = np.arange(n // 2).repeat(2).astype(str)
    own = rng.normal(size=(n // 2, 6)).repeat(2, axis=0)  # a patient's images look alike
    features = own + 0.1 * rng.normal(size=(n, 6))
    features[:, 0] += gap * np.array([int(s[1:]) for s in source])
    abnormal = (np.arange(n) // 2 // k % 2).astype(np.float64)
    return ImageFeatures(features, source, patient, np.full(n, "WRIST"), abnormal)


@pytest.mark.parametrize("k", [2, 3])
def test_the_regression_is_that_of_scikit_learn(k: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 5)) * [1, 10, 0.1, 3, 1] + [0, 5, 0, 0, -2]
    y = rng.integers(0, k, 200)
    y[:90] = 0
    x[:, 1] += 8 * y
    weight, bias = fit_logistic(x, y, k, penalty=0.5)
    z = (x - x.mean(0)) / x.std(0)
    peer = LogisticRegression(C=1.0, class_weight="balanced", tol=1e-8, max_iter=2000).fit(z, y)
    odds = x @ weight + bias
    result = np.exp(odds - odds.max(1, keepdims=True))
    result /= result.sum(1, keepdims=True)
    # scikit-learn has one weight for two classes where the softmax has two that mirror each other.
    if k == 2:
        peer = LogisticRegression(C=2.0, class_weight="balanced", tol=1e-8, max_iter=2000)
        peer.fit(z, y)
    np.testing.assert_allclose(result, peer.predict_proba(z), atol=2e-3)


@pytest.mark.parametrize("k", [2, 3])
def test_without_a_difference_between_sources_the_probe_is_at_chance(k: int) -> None:
    result = probe_sources(_images(360, 0.0, k), resampling=HOW)
    for label in ("normal", "abnormal"):
        one = result[label]
        assert one["chance"] == pytest.approx(1 / k)
        assert one["auroc"]["low"] - 0.1 < 0.5 < one["auroc"]["high"] + 0.1
        assert abs(one["balanced_accuracy"]["value"] - 1 / k) < 0.15


def test_a_mark_of_the_source_is_detected_within_each_label() -> None:
    result = probe_sources(_images(240, gap=4.0), resampling=HOW)
    for label in ("normal", "abnormal"):
        assert result[label]["auroc"]["value"] > 0.95
        assert result[label]["n"] == {"s0": 60, "s1": 60}


def test_the_label_is_no_mark_of_the_source() -> None:
    """Sources differ in their shares of abnormal images only, which the probe must not detect."""
    images = _images(400)
    label = (np.arange(400) % 20 < np.where(images.source == "s0", 15, 5)).astype(float)
    features = images.features + 5 * label[:, None]
    images = ImageFeatures(features, images.source, images.patient, images.body_part, label)
    for one in probe_sources(images, resampling=HOW).values():
        assert one["auroc"]["value"] < 0.68


def test_images_of_a_patient_stay_together() -> None:
    images = _images(80)
    fold = _folds_by_patient(images, ProbeSettings())
    for patient in np.unique(images.patient):
        assert len({*fold[images.patient == patient]}) == 1
    assert {*fold} == set(range(5))


def test_small_and_single_sources_are_reported() -> None:
    images = _images(80)
    few = images.source.astype("<U3")
    few[:4] = "few"
    result = probe_sources(replace(images, source=few), resampling=HOW)["normal"]
    assert result["left_out"] == {"few": 2} and result["chance"] == 0.5
    lone = replace(images, source=np.full(80, "one"))
    assert "fewer than two sources" in probe_sources(lone)["normal"]["reason"]
    with pytest.raises(DatasetError, match="output 'features'"):
        probe_sources(replace(images, features=images.features[:, :0]))
