"""Two percentiles of many pixels are NumPy's, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulna.imaging.quantiles import percentile_pair

PAIRS = ((1, 99), (0.5, 99.5), (0, 100), (50, 50), (2.5, 97.3), (40, 60))


def _same(values: np.ndarray, low: float, high: float) -> None:
    wanted = np.percentile(values, [low, high]).tolist()
    assert list(percentile_pair(values, low, high)) == wanted


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 30_000), st.sampled_from(PAIRS), st.sampled_from([2, 7, 256, 0]))
def test_equals_numpy(n: int, pair: tuple[float, float], levels: int) -> None:
    values = np.random.default_rng(n).random(n)
    if levels:  # few grey levels: many ties
        values = np.floor(values * levels) / levels
    _same(values.astype(np.float32), *pair)


@pytest.mark.parametrize("pair", PAIRS)
def test_equals_numpy_where_the_sample_misleads(pair: tuple[float, float]) -> None:
    # Every place that the sample looks at is white, and the rest is not.
    periodic = np.random.default_rng(0).random(2048 * 8).astype(np.float32) / 2
    periodic[:: 16384 // 2048 | 1] = 1
    ordered = np.sort(np.random.default_rng(1).random(100_000)).astype(np.float32)
    black = np.zeros(50_000, np.float32)
    for values in (periodic, ordered, ordered[::-1].copy(), black, np.append(black, ordered)):
        _same(values, *pair)


def test_takes_any_shape_and_leaves_the_values_alone() -> None:
    image = np.random.default_rng(2).random((300, 401)).astype(np.float32)
    before = image.copy()
    _same(image[::3, ::3], 0.5, 99.5)
    np.testing.assert_array_equal(image, before)
