"""Blank and coloured images are recognised from their pixels, without a bundle."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ulna.errors import ImageWarning
from ulna.imaging import read_radiograph
from ulna.imaging.non_radiograph import (
    inspect_pixels,
    negative,
    non_radiograph_reason,
    share_of_colour,
)
from ulna.types import Radiograph


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _image() -> np.ndarray:
    rows, columns = np.mgrid[:120, :90]
    return (120 + 100 * np.sin(rows / 17) * np.cos(columns / 13)).astype(np.uint8)


def test_an_image_is_not_refused_at_sight() -> None:
    assert non_radiograph_reason(read_radiograph(_png(_image()))) == ""


@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_blank_image_is(level: int) -> None:
    with pytest.warns(ImageWarning, match="all pixels are equal"):
        radiograph = read_radiograph(_png(np.full((80, 60), level, np.uint8)))
    assert non_radiograph_reason(radiograph).startswith("blank")


def test_a_colour_photograph_is() -> None:
    rng = np.random.default_rng(0)
    patches = np.kron(rng.integers(0, 256, (6, 5, 3)), np.ones((20, 20, 1))).astype(np.uint8)
    assert non_radiograph_reason(read_radiograph(_png(patches))).startswith("in colour")


def test_a_tinted_scan_and_a_coloured_letter_are_not() -> None:
    grey = _image().astype(np.float32)
    tinted = np.stack([0.7 * grey, 0.9 * grey, grey], axis=2)
    assert share_of_colour(tinted) < 0.01
    marked = np.repeat(_image()[..., None], 3, axis=2)
    marked[5:20, 5:15] = (255, 0, 0)
    assert non_radiograph_reason(read_radiograph(_png(marked))) == ""


def test_a_page_has_few_middle_greys() -> None:
    page = np.full((200, 150), 0.97, np.float32)
    page[20:180:8, 10:140:2] = 0.05
    assert inspect_pixels(Radiograph(page))[1]
    assert not inspect_pixels(read_radiograph(_png(_image())))[1]


def test_the_negative_of_the_negative_is_the_image() -> None:
    image = read_radiograph(_png(_image()))
    again = negative(Radiograph(negative(image)))
    np.testing.assert_allclose(again, image.pixels, atol=1e-6)


def _deep(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values.astype(np.uint16)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("top", [100, 300, 1000])
def test_an_image_of_few_bits_in_a_wide_range_is_not_blank(top: int) -> None:
    """pydicom#2012: a network sees the image's range stretched, so a narrow one is all there."""
    narrow = _image().astype(np.float32) / 255 * top / 65535
    assert narrow.max() < 0.02
    assert non_radiograph_reason(Radiograph(narrow)) == ""


def test_one_bright_spot_does_not_make_an_image_blank() -> None:
    """A marker of full brightness: the greys of the image lie below 2 % of the range."""
    values = _image().astype(np.int64) * 4
    values[:3, :3] = 65535
    assert non_radiograph_reason(read_radiograph(_deep(values))) == ""


@pytest.mark.parametrize("levels", [2, 6, 12])
def test_a_few_greys_beside_one_another_are_blank(levels: int) -> None:
    """Of 8 bit and of 16: an empty exposure and its last bits."""
    noise = np.random.default_rng(0).integers(0, levels, (90, 70))
    if levels < 6:
        assert non_radiograph_reason(read_radiograph(_png((noise + 100).astype(np.uint8)))) != ""
    values = noise + 30000
    assert non_radiograph_reason(read_radiograph(_deep(values))).startswith("blank: its greys span")


def test_two_greys_far_apart_are_not_blank() -> None:
    assert non_radiograph_reason(Radiograph((_image() > 120).astype(np.float32))) == ""
