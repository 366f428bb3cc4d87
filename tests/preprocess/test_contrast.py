"""Local contrast: exposure and bright borders far away do not change how a limb looks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ulna.errors import ConfigError
from ulna.preprocess import InputSpec, letterbox_uint8
from ulna.preprocess.contrast import local_contrast
from ulna.types import Radiograph

RNG = np.random.default_rng(0)
SQUARE = RNG.random((64, 64)).astype(np.float32)
EVERYWHERE = np.ones((64, 64), bool)


def test_equals_box_filters_of_scipy_inside() -> None:
    result = local_contrast(SQUARE, EVERYWHERE, 9 / 64)
    x = SQUARE.astype(np.float64)
    mean = ndimage.uniform_filter(x, 9)
    deviation = np.sqrt(ndimage.uniform_filter(x**2, 9) - mean**2 + 0.02**2)
    expected = np.clip(0.5 + (x - mean) / (6 * deviation), 0, 1)
    np.testing.assert_allclose(result[5:-5, 5:-5], expected[5:-5, 5:-5], atol=1e-6)


@pytest.mark.parametrize(("gain", "offset"), [(0.5, 0.0), (0.6, 0.3)])
def test_gain_and_offset_hardly_matter(gain: float, offset: float) -> None:
    first = local_contrast(SQUARE, EVERYWHERE, 0.2)
    again = local_contrast(SQUARE * np.float32(gain) + np.float32(offset), EVERYWHERE, 0.2)
    assert np.abs(first - again).max() < 0.01


def test_a_border_changes_its_neighbourhood_only() -> None:
    bright = SQUARE.copy()
    bright[-6:] = 1
    first, again = (local_contrast(x, EVERYWHERE, 0.2) for x in (SQUARE, bright))
    np.testing.assert_array_equal(first[:50], again[:50])
    assert (first[-12:-6] != again[-12:-6]).any()


def test_padding_stays_black_and_counts_for_nothing() -> None:
    image = EVERYWHERE.copy()
    image[:, :20] = False
    padded = np.where(image, SQUARE, 0)
    result = local_contrast(padded, image, 0.2)
    assert (result[:, :20] == 0).all()
    alone = local_contrast(SQUARE, image, 0.2)
    np.testing.assert_array_equal(result, alone)


def test_an_even_ground_is_middle_grey() -> None:
    flat = np.full((64, 64), 0.3, np.float32)
    np.testing.assert_allclose(local_contrast(flat, EVERYWHERE, 0.2), 0.5, atol=1e-6)


def test_dim_limb_next_to_a_white_strip_is_seen_in_the_letterbox() -> None:
    pixels = np.full((120, 80), 0.1, np.float32)
    pixels[:100, 30:50] = 0.14 + 0.02 * RNG.random((100, 20))
    pixels[110:] = 1.0
    dim = Radiograph(pixels.astype(np.float32))
    limb = np.s_[20:70, 52:72]
    plain = letterbox_uint8(dim, InputSpec(size=120))[0][limb]
    local = letterbox_uint8(dim, InputSpec(size=120, local_contrast=0.2))[0][limb]
    assert local.std() > 4 * plain.std()


def test_a_share_beyond_the_side_is_refused() -> None:
    with pytest.raises(ConfigError, match="local_contrast"):
        InputSpec(local_contrast=1.5)
