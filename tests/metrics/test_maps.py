"""Maps compared: rank correlation and average precision as SciPy and scikit-learn have them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score

from ulna.errors import ConfigError
from ulna.metrics.maps import area_under, pixel_average_precision, rank_correlation


@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 3), st.integers(0, 10**6))
def test_rank_correlation_is_spearmans(h: int, w: int, decimals: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = (np.round(rng.normal(size=(h, w)), decimals) for _ in range(2))
    if np.ptp(one) and np.ptp(other):
        expected = stats.spearmanr(one.ravel(), other.ravel()).statistic
        assert rank_correlation(one, other) == pytest.approx(expected, abs=1e-9)
    assert rank_correlation(one, np.zeros((h, w))) == 0
    if np.ptp(one):
        assert rank_correlation(one, np.exp(one)) == pytest.approx(1)
        assert rank_correlation(one, -one) == pytest.approx(-1)


@given(st.integers(2, 12), st.integers(0, 10**6))
def test_pixel_average_precision_is_scikit_learns(side: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((side, side)) < 0.3
    mask[0, 0] = True
    heat = np.round(mask * 0.5 + rng.normal(size=mask.shape), 1)
    expected = average_precision_score(mask.ravel(), heat.ravel())
    assert pixel_average_precision(heat, mask) == pytest.approx(expected)
    assert pixel_average_precision(np.ones(mask.shape), mask) == pytest.approx(mask.mean())


def test_area_under_is_the_mean_height() -> None:
    x = np.array([0.0, 0.1, 0.4])
    assert area_under(x, 2 * x + 1) == pytest.approx(1.4)
    assert area_under(x, [3, 3, 3]) == pytest.approx(3)


def test_what_cannot_be_compared_is_refused() -> None:
    square = np.ones((3, 3))
    for pair in ((square, np.ones((3, 4))), (square, square * np.nan), (square[:0], square[:0])):
        with pytest.raises(ConfigError, match="finite maps of the same shape"):
            rank_correlation(*pair)
    for mask in (np.zeros((3, 3)), np.ones((2, 3))):
        with pytest.raises(ConfigError, match="mask that is not empty"):
            pixel_average_precision(square, mask)
    for share in ([0, 0], [0.0], [0, 1, 2]):
        with pytest.raises(ConfigError, match="ascending"):
            area_under(share, [1, 2])
