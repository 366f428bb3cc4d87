"""What pixels alone say: blank and coloured images, whatever the bundle."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ulna.errors import ImageWarning
from ulna.imaging import read_radiograph
from ulna.imaging.foreign import colour_share, foreign_reason, has_few_middle_greys, negative
from ulna.types import Radiograph


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _film() -> np.ndarray:
    rows, columns = np.mgrid[:120, :90]
    return (120 + 100 * np.sin(rows / 17) * np.cos(columns / 13)).astype(np.uint8)


def test_a_film_is_not_refused_at_sight() -> None:
    assert foreign_reason(read_radiograph(_png(_film()))) == ""


@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_blank_image_is(level: int) -> None:
    with pytest.warns(ImageWarning, match="all pixels are equal"):
        radiograph = read_radiograph(_png(np.full((80, 60), level, np.uint8)))
    assert foreign_reason(radiograph).startswith("blank")


def test_a_colour_photograph_is() -> None:
    rng = np.random.default_rng(0)
    patches = np.kron(rng.integers(0, 256, (6, 5, 3)), np.ones((20, 20, 1))).astype(np.uint8)
    assert foreign_reason(read_radiograph(_png(patches))).startswith("in colour")


def test_a_tinted_scan_and_a_coloured_letter_are_not() -> None:
    grey = _film().astype(np.float32)
    tinted = np.stack([0.7 * grey, 0.9 * grey, grey], axis=2)
    assert colour_share(tinted) < 0.01
    marked = np.repeat(_film()[..., None], 3, axis=2)
    marked[5:20, 5:15] = (255, 0, 0)
    assert foreign_reason(read_radiograph(_png(marked))) == ""


def test_a_page_has_few_middle_greys() -> None:
    page = np.full((200, 150), 0.97, np.float32)
    page[20:180:8, 10:140:2] = 0.05
    assert has_few_middle_greys(Radiograph(page))
    assert not has_few_middle_greys(read_radiograph(_png(_film())))


def test_the_negative_of_the_negative_is_the_film() -> None:
    film = read_radiograph(_png(_film()))
    again = negative(Radiograph(negative(film)))
    np.testing.assert_allclose(again, film.pixels, atol=1e-6)
