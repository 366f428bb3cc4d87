"""Feature statistics: the numbers of scikit-learn, and a limit that holds on new images."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from ulna.calibration.conformal_limit import conformal_limit
from ulna.calibration.out_of_distribution_fit import (
    CLOSER,
    REFUSED,
    cross_fitted,
    fit_features,
    fit_statistics,
    shrinkage,
)


def _images(n: int, c: int, seed: int) -> np.ndarray:
    mixing = np.random.default_rng(99).normal(size=(c, c)) / np.sqrt(c)
    return np.random.default_rng(seed).normal(size=(n, c)) @ mixing + 3


@pytest.mark.parametrize(("n", "c"), [(300, 12), (60, 100)])
def test_distance_is_that_of_scikit_learn(n: int, c: int) -> None:
    images, other = _images(n, c, 0), _images(20, c, 1)
    mean, scale = images.mean(0), images.std(0)
    theirs = LedoitWolf().fit((images - mean) / scale)
    expected = np.sqrt(theirs.mahalanobis((other - mean) / scale))
    np.testing.assert_allclose(fit_statistics(images).distance(other), expected, rtol=1e-6)
    assert shrinkage((images - mean) / scale)[0] == pytest.approx(theirs.shrinkage_, rel=1e-6)


def test_many_features_keep_128_axes_and_order_images_alike() -> None:
    images, other = _images(400, 200, 0), _images(50, 200, 1) * np.linspace(0.5, 2, 50)[:, None]
    statistics = fit_statistics(images)
    assert statistics.axes.shape == (128, 200)
    mean, scale = images.mean(0), images.std(0)
    theirs = LedoitWolf().fit((images - mean) / scale).mahalanobis((other - mean) / scale)
    assert np.corrcoef(np.argsort(np.argsort(theirs)), statistics.distance(other))[0, 1] > 0.8


def test_a_feature_that_never_changes_is_no_division_by_zero() -> None:
    images = _images(150, 8, 0)
    images[:, 3] = 0.0
    assert np.isfinite(fit_statistics(images).distance(_images(5, 8, 1))).all()


def test_new_known_images_are_refused_at_the_nominal_rate() -> None:
    rates = []
    for seed in range(20):
        images = _images(250, 20, 100 + seed)
        fitted = fit_features(images, images + 100, [str(i) for i in range(250)])
        new = fitted.statistics.distance(_images(2000, 20, 500 + seed))
        rates.append(float((new > fitted.limit).mean()))
    assert 0.2 * REFUSED < np.mean(rates) < 2 * REFUSED


def test_without_cross_fitting_more_images_would_be_refused() -> None:
    images = _images(120, 60, 0)
    patients = np.arange(120) % 10
    held_out = conformal_limit(cross_fitted(images, images, patients), REFUSED)
    assert held_out > conformal_limit(fit_statistics(images).distance(images), REFUSED)


def test_images_of_the_other_polarity_are_inverted_before_the_fit() -> None:
    rng = np.random.default_rng(0)
    upright = rng.normal(0, 1, (300, 10))
    turned = rng.normal(6, 1, (300, 10))
    wrong = rng.random(300) < 0.06
    came = np.where(wrong[:, None], turned, upright)
    negative = np.where(wrong[:, None], upright, turned)
    fitted = fit_features(came, negative, [str(i) for i in range(300)])
    assert np.abs(fitted.statistics.mean).max() < 0.3
    assert (fitted.statistics.distance(turned) > fitted.limit / CLOSER).all()


def test_limit_is_the_conformal_quantile() -> None:
    assert conformal_limit(np.arange(1.0, 200.0), 0.01) == 198
    assert conformal_limit(np.arange(1.0, 11.0), 0.01) == 10  # too few: the largest
