"""Detector: Beer-Lambert, quantum noise, and the contrast-to-noise ratio as defined."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ulna.phantom.detector import (
    Exposure,
    contrast_to_noise,
    draw_exposure,
    expected_signal,
    expose,
    line_integral,
    scattered,
)
from ulna.phantom.scene import Projection
from ulna.phantom.solids import MU_SOFT

CLEAN = Exposure(photons=4000, scatter=0.0, blur=0.0)


def test_without_scatter_and_blur_it_is_beer_lambert() -> None:
    attenuation = np.linspace(0, 5, 64 * 64, dtype=np.float32).reshape(64, 64)
    np.testing.assert_allclose(expected_signal(attenuation, CLEAN), np.exp(-attenuation), rtol=1e-6)


def test_attenuations_add() -> None:
    """Two layers let through the product of what each lets through."""
    first, second = np.full((32, 32), 0.7, np.float32), np.full((32, 32), 1.1, np.float32)
    both = expected_signal(first + second, CLEAN)
    product = expected_signal(first, CLEAN) * expected_signal(second, CLEAN)
    np.testing.assert_allclose(both, product, rtol=1e-6)


def test_line_integral_counts_tissue_bone_and_extra() -> None:
    bone, soft = np.full((4, 4), 0.5, np.float32), np.full((4, 4), 40.0, np.float32)
    total = line_integral(Projection(bone, soft, bone * 0), np.full((4, 4), 0.2, np.float32))
    np.testing.assert_allclose(total, 0.5 + 40 * MU_SOFT + 0.2, rtol=1e-6)


def test_scatter_lowers_contrast_and_keeps_a_flat_field() -> None:
    flat = np.full((64, 64), 0.9, np.float32)
    foggy = Exposure(4000, 0.2, 0.0)
    np.testing.assert_allclose(expected_signal(flat, foggy), np.exp(-flat), rtol=1e-5)
    step = flat.copy()
    step[28:36, 28:36] = 2.5
    clean, veiled = expected_signal(step, CLEAN), expected_signal(step, foggy)
    assert veiled[32, 32] > clean[32, 32]
    assert veiled[32, 32] / veiled[2, 2] > clean[32, 32] / clean[2, 2]
    assert scattered(np.exp(-step)).shape == step.shape


@pytest.mark.parametrize("signal", [1.0, 0.2, 0.05])
def test_noise_is_that_of_counted_photons(signal: float) -> None:
    """Variance of -log of a Poisson count is 1 / mean count to first order."""
    field = np.full((400, 400), signal)
    seen = expose(field, CLEAN, np.random.default_rng(1))
    counts = signal * CLEAN.photons
    assert seen.mean() == pytest.approx(-np.log(signal), abs=3 / counts)
    assert seen.var() == pytest.approx(1 / counts, rel=0.03)
    assert seen.dtype == np.float32


def test_a_count_of_zero_is_finite() -> None:
    assert np.isfinite(expose(np.zeros((8, 8)), CLEAN, np.random.default_rng(0))).all()


def test_contrast_to_noise_is_its_formula() -> None:
    """Root mean square of (change less its Gaussian mean of 4 px) times root of the counts."""
    rng = np.random.default_rng(4)
    without = rng.uniform(0.1, 0.4, (40, 40))
    change = np.zeros((40, 40))
    change[12:26, 13:18] = 0.05
    marked = change > 0
    fine = change - ndimage.gaussian_filter(change, 4.0, mode="nearest")
    expected = np.sqrt((fine**2 * without * CLEAN.photons)[marked].mean())
    measured = contrast_to_noise(without * np.exp(-change), without, marked, CLEAN)
    assert measured == pytest.approx(expected, rel=1e-6)


def test_a_level_that_rises_everywhere_is_no_contrast() -> None:
    without = np.full((40, 40), 0.3)
    marked = np.ones((40, 40), bool)
    assert contrast_to_noise(without * 0.8, without, marked, CLEAN) == pytest.approx(0, abs=1e-9)


def test_contrast_to_noise_grows_with_the_root_of_the_dose() -> None:
    without, marked = np.full((20, 20), 0.3), np.zeros((20, 20), bool)
    marked[8:12, 8:12] = True
    values = [
        contrast_to_noise(np.where(marked, 0.27, 0.3), without, marked, Exposure(n, 0.0, 0.0))
        for n in (1000, 4000)
    ]
    assert values[1] == pytest.approx(2 * values[0], rel=1e-9)


def test_a_speck_has_no_contrast() -> None:
    marked = np.zeros((8, 8), bool)
    marked[0, :3] = True
    assert contrast_to_noise(np.full((8, 8), 0.1), np.full((8, 8), 0.3), marked, CLEAN) == 0


def test_drawn_exposures_lie_in_their_ranges() -> None:
    rng = np.random.default_rng(3)
    for exposure in (draw_exposure(rng) for _ in range(100)):
        assert 1500 <= exposure.photons <= 9000
        assert 0.04 <= exposure.scatter <= 0.22
        assert 0.35 <= exposure.blur <= 0.75
