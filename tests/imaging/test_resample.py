"""Taps along an axis against the equivalent matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from ulna.errors import ImageError
from ulna.imaging import resample
from ulna.imaging.geometry import area_matrix, letterbox
from ulna.imaging.resample import Taps, area_taps, linear_taps

SIDES = st.integers(1, 300)


def _matrix(taps: Taps, n_in: int) -> np.ndarray:
    matrix = np.zeros((len(taps.first), n_in), np.float32)
    for i, (first, weights) in enumerate(zip(taps.first, taps.weights, strict=True)):
        for k, weight in enumerate(weights):
            if weight:
                matrix[i, first + k] += weight
    return matrix


@settings(max_examples=100, deadline=None)
@given(SIDES, SIDES)
def test_area_taps_are_the_area_matrix(n_in: int, n_out: int) -> None:
    result = _matrix(area_taps(n_in, n_out), n_in)
    np.testing.assert_array_equal(result, area_matrix(n_in, n_out).astype(np.float32))


@settings(max_examples=100, deadline=None)
@given(SIDES, SIDES)
def test_linear_taps_sum_to_one_and_stay_inside(n_in: int, n_out: int) -> None:
    matrix = _matrix(linear_taps(n_in, n_out), n_in)  # an index outside would raise
    np.testing.assert_allclose(matrix.sum(1), 1, rtol=1e-6)
    assert ((matrix > 0).sum(1) <= 2).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 90), st.integers(1, 250))
def test_rows_are_the_sparse_product_to_the_bit(n_in: int, width: int, n_out: int) -> None:
    image = np.random.default_rng(n_in * 91 + width).random((n_in, width)).astype(np.float32)
    taps = area_taps(n_in, n_out) if n_out < n_in else linear_taps(n_in, n_out)
    wanted = sparse.csc_array(_matrix(taps, n_in)) @ image
    np.testing.assert_array_equal(taps.rows(image), wanted)


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(3).random((500, 411)).astype(np.float32)
    whole = [letterbox(image, size)[0] for size in (64, 224, 640)]
    monkeypatch.setattr(resample, "_BLOCK_BYTES", 7 * 4 * 411)
    for size, square in zip((64, 224, 640), whole, strict=True):
        np.testing.assert_array_equal(letterbox(image, size)[0], square)


def test_of_nothing() -> None:
    with pytest.raises(ImageError, match="at least 1"):
        area_taps(0, 3)
