"""Laws of the letterbox, the way back and mean-preserving resampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ulna.errors import ImageError
from ulna.imaging.geometry import Placement, area_matrix, letterbox

SIDES = st.integers(1, 700)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))
def test_area_resampling_keeps_the_mean(h: int, w: int, out_h: int, out_w: int) -> None:
    grid = np.random.default_rng(h * 61 + w).normal(size=(h, w))
    rows, columns = area_matrix(h, out_h), area_matrix(w, out_w)
    assert rows.shape == (out_h, h) and (rows >= 0).all()
    np.testing.assert_allclose(rows.sum(1), 1, atol=1e-12)
    np.testing.assert_allclose(rows.sum(0), out_h / h, atol=1e-12)
    resampled = rows @ grid @ columns.T
    assert abs(resampled.mean() - grid.mean()) < 1e-6
    assert resampled.min() >= grid.min() - 1e-9 and resampled.max() <= grid.max() + 1e-9


def test_area_matrix_of_a_multiple_repeats_and_averages() -> None:
    np.testing.assert_allclose(area_matrix(3, 6), np.repeat(np.eye(3), 2, axis=0))
    np.testing.assert_allclose(area_matrix(6, 3), np.repeat(np.eye(3), 2, axis=1) / 2)
    np.testing.assert_allclose(area_matrix(5, 5), np.eye(5))
    np.testing.assert_allclose(area_matrix(3, 2), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]])


def test_area_matrix_of_nothing() -> None:
    with pytest.raises(ImageError, match="at least 1"):
        area_matrix(0, 3)


@settings(max_examples=200, deadline=None)
@given(SIDES, SIDES, st.integers(32, 512))
def test_the_whole_image_lies_in_the_square(h: int, w: int, size: int) -> None:
    placement = Placement.fit((h, w), size)
    whole = placement.box_to_target((0.0, 0.0, float(w), float(h)))
    assert min(whole) >= 0 and whole[0] + whole[2] <= size + 1e-9
    assert whole[1] + whole[3] <= size + 1e-9 and max(whole[2:]) == pytest.approx(size)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(32, 256))
def test_letterbox_keeps_range_mass_and_place(h: int, w: int, size: int) -> None:
    image = np.random.default_rng(h * 301 + w).random((h, w)).astype(np.float32)
    square, placement = letterbox(image, size)
    assert square.shape == (size, size) and square.dtype == np.float32
    assert square.min() >= -1e-6 and square.max() <= image.max() + 1e-5
    x, y, width, height = placement.box_to_target((0, 0, w, h))
    inside = np.zeros((size, size), bool)
    # One target pixel of smoothing at each side when enlarging.
    reach = max(1.0, placement.scale)
    rows = slice(int(max(0, y - reach)), int(np.ceil(y + height + reach)))
    inside[rows, int(max(0, x - reach)) : int(np.ceil(x + width + reach))] = True
    assert np.abs(square[~inside]).max(initial=0) == 0
    if size < max(h, w):
        # Area averaging moves no mass: the sum over the square is the sum over the image.
        assert square.sum() == pytest.approx(image.sum() * placement.scale**2, rel=1e-4)


def test_letterbox_of_the_same_size_changes_nothing() -> None:
    image = np.random.default_rng(0).random((64, 40)).astype(np.float32)
    square, placement = letterbox(image, 64)
    assert placement.offset == (12.0, 0.0) and placement.scale == 1.0
    np.testing.assert_array_equal(square[:, 12:52], image)
    assert not square[:, :12].any() and not square[:, 52:].any()


def test_letterbox_by_an_integer_factor_is_a_block_mean() -> None:
    image = np.random.default_rng(1).random((96, 64)).astype(np.float32)
    square, _ = letterbox(image, 32)
    blocks = np.pad(image, ((0, 0), (16, 16))).reshape(32, 3, 32, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(square, blocks, atol=1e-6)


def test_enlarging_is_bilinear() -> None:
    image = np.random.default_rng(2).random((20, 20)).astype(np.float32)
    square, _ = letterbox(image, 60)
    centre = (np.arange(60) + 0.5) / 3 - 0.5
    expected = ndimage.map_coordinates(
        image, np.meshgrid(centre, centre, indexing="ij"), order=1, mode="nearest"
    )
    np.testing.assert_allclose(square, expected, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(16, 300), st.integers(16, 300), st.integers(1, 20), st.integers(1, 20))
def test_to_source_is_bilinear_over_the_padded_square(h: int, w: int, gh: int, gw: int) -> None:
    grid = np.random.default_rng(h * 301 + w).normal(size=(gh, gw)).astype(np.float32)
    placement = Placement.fit((h, w), 224)
    result = placement.to_source(grid)
    assert result.shape == (h, w) and result.dtype == np.float32
    assert result.min() >= grid.min() - 1e-5 and result.max() <= grid.max() + 1e-5
    side = max(h, w)
    y = (np.arange(h) + (side - h) // 2 + 0.5) * gh / side - 0.5
    x = (np.arange(w) + (side - w) // 2 + 0.5) * gw / side - 0.5
    expected = ndimage.map_coordinates(
        grid, np.meshgrid(y, x, indexing="ij"), order=1, mode="nearest"
    )
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_a_spot_comes_back_to_its_place() -> None:
    image = np.zeros((400, 250), np.float32)
    image[300:310, 60:70] = 1
    square, placement = letterbox(image, 100)
    back = placement.to_source(square)
    y, x = np.unravel_index(back.argmax(), back.shape)
    assert abs(y - 304.5) <= 4 and abs(x - 64.5) <= 4


def test_constant_grid_stays_constant() -> None:
    result = Placement.fit((333, 77), 224).to_source(np.full((7, 7), 1.5))
    np.testing.assert_allclose(result, 1.5, rtol=1e-6)


def test_what_makes_no_sense_is_an_error() -> None:
    with pytest.raises(ImageError, match="placement"):
        Placement((0, 3), 224, 1.0, (0.0, 0.0))
    with pytest.raises(ImageError, match="non-empty"):
        letterbox(np.zeros((3, 3, 3)), 32)
    placement = Placement.fit((20, 20), 32)
    with pytest.raises(ImageError, match="expected \\(h, w\\)"):
        placement.to_source(np.zeros(3))
    with pytest.raises(ImageError, match="expected \\(20, 20\\)"):
        placement.array_to_target(np.zeros((5, 5)))
