"""Borders: bars, frames and air go, nothing of the picture does; off, all is as it was."""

from __future__ import annotations

import numpy as np
import pytest

from ulna.imaging.geometry import Placement, letterbox
from ulna.preprocess import InputSpec, letterbox_uint8, prepare
from ulna.preprocess.borders import picture_part
from ulna.types import Radiograph

PLAIN = InputSpec(size=96)
TRIMMED = InputSpec(size=96, trim_borders=True)


def picture(h: int = 120, w: int = 90, seed: int = 0) -> np.ndarray:
    """(h, w) with detail in every row and column, in [0.1, 0.9]."""
    return (0.1 + 0.8 * np.random.default_rng(seed).random((h, w))).astype(np.float32)


def framed(inner: np.ndarray, sides: tuple[int, int, int, int], grey: float) -> np.ndarray:
    """With bars of one grey: sides = left, top, right, bottom."""
    left, top, right, bottom = sides
    return np.pad(inner, ((top, bottom), (left, right)), constant_values=grey)


@pytest.mark.parametrize("grey", [0.0, 1.0, 0.4])
@pytest.mark.parametrize("sides", [(0, 30, 0, 30), (40, 0, 7, 0), (5, 12, 9, 20)])
def test_bars_of_any_grey_go(grey: float, sides: tuple[int, int, int, int]) -> None:
    inner = picture()
    image = framed(inner, sides, grey)
    assert picture_part(image) == (sides[0], sides[1], inner.shape[1], inner.shape[0])
    square, placement = letterbox_uint8(Radiograph(image), TRIMMED)
    np.testing.assert_array_equal(square, letterbox_uint8(Radiograph(inner), PLAIN)[0])
    assert placement.source == image.shape


def test_a_white_frame_in_black_bars_goes_with_a_letter_on_the_picture_kept() -> None:
    inner = picture()
    inner[10:25, 10:24] = 1.0
    image = framed(framed(inner, (3, 3, 3, 3), 1.0), (20, 8, 11, 30), 0.0)
    assert picture_part(image) == (23, 11, 90, 120)


def test_a_letter_in_a_bar_keeps_the_bar_from_there_on() -> None:
    """Nothing that might be a limb's is cut off."""
    image = framed(picture(), (0, 40, 0, 0), 0.0)
    image[12:20, 30:40] = 1.0
    assert picture_part(image) == (0, 12, 90, 148)


def test_dust_in_a_bar_does_not_keep_it() -> None:
    image = framed(picture(200, 200), (0, 40, 0, 0), 0.0)
    image[12, 30:32] = 1.0
    assert picture_part(image) == (0, 40, 200, 200)


def test_an_image_without_borders_and_a_blank_one_stay_whole() -> None:
    whole = picture()
    assert picture_part(whole) == (0, 0, 90, 120)
    assert picture_part(np.full((50, 60), 0.3, np.float32)) == (0, 0, 60, 50)
    spot = np.zeros((200, 200), np.float32)
    spot[90:100, 90:100] = 1
    assert picture_part(spot) == (0, 0, 200, 200)
    for spec in (PLAIN, InputSpec(size=96, local_contrast=0.2)):
        trimmed = InputSpec(**{**vars(spec), "trim_borders": True})
        one, placement = prepare(Radiograph(whole), spec)
        other, same = prepare(Radiograph(whole), trimmed)
        np.testing.assert_array_equal(one, other)
        assert placement == same and placement.part is None


def test_large_images_lose_no_line_between_those_examined() -> None:
    inner = picture(1500, 1700)
    for left, top in ((101, 67), (102, 68), (103, 69)):
        x, y, w, h = picture_part(framed(inner, (left, top, 50, 33), 0.0))
        assert left - 4 < x <= left and top - 4 < y <= top
        assert left + 1700 <= x + w < left + 1704 and top + 1500 <= y + h < top + 1504


def test_maps_go_back_to_where_the_picture_lies() -> None:
    image = framed(picture(), (40, 10, 6, 20), 0.0)
    placement = letterbox_uint8(Radiograph(image), TRIMMED)[1]
    spot = np.zeros(image.shape, np.float32)
    spot[70:80, 90:100] = 1
    grid = letterbox(spot, 24, placement.part)[0]
    back = placement.to_source(grid)
    y, x = np.unravel_index(back.argmax(), back.shape)
    assert 68 <= y < 82 and 88 <= x < 102
    outside = np.ones(image.shape, bool)
    outside[10:130, 40:130] = False
    assert (placement.to_source(np.ones((6, 6), np.float32))[outside] == 0).all()
    assert (placement.to_source(np.ones((6, 6), np.float32))[~outside] == 1).all()
    box = (90.0, 70.0, 10.0, 12.0)
    there = placement.box_to_target(box)
    assert 0 <= there[0] <= 96 and there == pytest.approx(
        (
            placement.scale * (90 - 40 + placement.padding[0]),
            placement.scale * (70 - 10),
            placement.scale * 10,
            placement.scale * 12,
        )
    )


def test_a_part_is_within_its_image() -> None:
    whole = Placement.fit((50, 40), 32)
    assert Placement.fit((50, 40), 32, (0, 0, 40, 50)) == whole
    for part in ((1, 0, 40, 50), (-1, 0, 5, 5), (0, 0, 0, 5)):
        with pytest.raises(Exception, match="expected one within it"):
            Placement.fit((50, 40), 32, part)
