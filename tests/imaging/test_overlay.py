"""The overlay's colours mean the same logit everywhere, and nothing where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ulna.errors import ImageError
from ulna.imaging.overlay import (
    draw_mask,
    draw_note,
    draw_outline,
    draw_overlay,
)
from ulna.types import Radiograph

FILM = Radiograph(np.random.default_rng(0).random((20, 30)).astype(np.float32), "image")
GREY = np.repeat(np.rint(FILM.pixels * 255).astype(np.uint8)[..., None], 3, axis=2)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.1, 20))
def test_paints_only_above_zero_and_by_a_fixed_scale(seed: int, limit: float) -> None:
    heat = np.random.default_rng(seed).normal(0, limit, FILM.pixels.shape)
    picture = draw_overlay(FILM, heat, limit)
    assert picture.shape == (20, 30, 3) and picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[heat <= 0], GREY[heat <= 0])
    # The rest of the map does not matter: a pixel alone looks as it does among others.
    alone = np.zeros_like(heat)
    alone[4, 5] = heat[4, 5]
    np.testing.assert_array_equal(draw_overlay(FILM, alone, limit)[4, 5], picture[4, 5])
    np.testing.assert_array_equal(draw_overlay(FILM, np.minimum(heat, limit), limit), picture)


def test_calm_map_is_the_image() -> None:
    np.testing.assert_array_equal(draw_overlay(FILM, np.full((20, 30), -3.0), 2.0), GREY)


def test_more_is_redder_then_brighter() -> None:
    image = Radiograph(np.full((20, 256), 0.3, np.float32))
    picture = draw_overlay(image, np.tile(np.linspace(0, 1, 256), (20, 1)), 1.0)[0].astype(int)
    assert (np.diff(picture[:, 0]) >= -1).all()
    assert (np.diff(picture[128:].sum(1)) >= -2).all()
    assert len(np.unique(picture, axis=0)) > 100


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan"), float("inf")])
def test_limit_must_be_positive(limit: float) -> None:
    with pytest.raises(ImageError, match="limit"):
        draw_overlay(FILM, np.zeros((20, 30)), limit)


@pytest.mark.parametrize("heat", [np.zeros((5, 5)), np.full((20, 30), np.nan)])
def test_map_must_fit_the_image(heat: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"image: heat map of shape .*expected \(20, 30\)"):
        draw_overlay(FILM, heat, 1.0)


def test_mask_border_leaves_the_inside_alone() -> None:
    mask = np.zeros((20, 30), bool)
    mask[5:10, 8:16] = True
    picture = draw_mask(GREY, mask, (1, 2, 3))
    changed = (picture != GREY).any(axis=2)
    assert not changed[mask].any() and changed.sum() == 2 * (5 + 8)
    with pytest.raises(ImageError, match="mask"):
        draw_mask(GREY, mask[:3])


def test_outline_is_drawn_closed_and_pictures_are_not_changed_in_place() -> None:
    black = np.zeros((20, 30, 3), np.uint8)
    square = np.array([[5.5, 5.5], [10.5, 5.5], [10.5, 10.5], [5.5, 10.5]])
    picture = draw_outline(black, square)
    assert not black.any() and picture[7, 5].all() and picture[5, 7].all()
    assert (picture.any(axis=2)).sum() == 20
    with pytest.raises(ImageError, match="outline"):
        draw_outline(black, np.zeros((1, 2)))


def test_a_note_too_long_for_the_picture_goes_on_below() -> None:
    empty = np.full((120, 90, 3), 200, np.uint8)
    short, long = (draw_note(empty, t) for t in ("patients", "not for patients, not for patients"))
    heights = [int((p != 200).any(axis=(1, 2)).sum()) for p in (short, long)]
    assert heights[1] > 1.8 * heights[0]
    assert (long[:, -2:] != 200).any() and (long[heights[1] + 1 :] == 200).all()
