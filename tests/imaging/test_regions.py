"""Connected regions against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ulna.imaging.regions import regions

EIGHT = np.ones((3, 3), bool)


def _check(mask: np.ndarray, values: np.ndarray) -> None:
    labels, count = ndimage.label(mask, structure=EIGHT)
    result = regions(mask)
    assert len(result) == count
    whole = (slice(0, mask.shape[0]), slice(0, mask.shape[1]))
    for number, (region, place) in enumerate(
        zip(result, ndimage.find_objects(labels), strict=True), 1
    ):
        assert region.bounds == place
        np.testing.assert_array_equal(region.mask(place), labels[place] == number)
        np.testing.assert_array_equal(region.mask(whole), labels == number)
        assert region.largest(values) == values[labels == number].max()


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 50), st.integers(1, 50), st.floats(0, 3), st.floats(0.05, 0.95))
def test_equals_scipy(h: int, w: int, smooth: float, share: float) -> None:
    noise = np.random.default_rng(h * 51 + w).normal(size=(h, w))
    values = ndimage.gaussian_filter(noise, smooth).astype(np.float32)
    _check(values > np.quantile(values, share), values)


@pytest.mark.parametrize(
    "picture",
    [
        ["#.#", "#.#", "###"],  # joined late
        ["..#", ".#.", "#.."],  # by corners
        ["#.#.#", ".....", "#####"],
        ["#####", "#...#", "#.#.#", "#...#", "#####"],  # one in the other
        ["###"],
        ["..."],
    ],
)
def test_shapes(picture: list[str]) -> None:
    mask = np.array([[c == "#" for c in row] for row in picture])
    _check(mask, np.arange(mask.size, dtype=np.float32).reshape(mask.shape))
