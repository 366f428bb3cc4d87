"""Corruptions are pure, seeded, in range and worse with severity, and follow their formulas."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy.special import gammaln

from ulna.corruptions import CORRUPTIONS, corrupted, suite_rows
from ulna.corruptions.blur import blur
from ulna.corruptions.crop import crop
from ulna.corruptions.exposure import change_gain, change_gamma, invert
from ulna.corruptions.jpeg import compress_jpeg
from ulna.corruptions.marker import add_marker
from ulna.corruptions.quantum_noise import ATTENUATION, add_quantum_noise
from ulna.corruptions.rotation import rotate
from ulna.errors import ConfigError
from ulna.types import Array, Radiograph

SIZE = 64


def make_image(shape: tuple[int, int]) -> Radiograph:
    """Return two slanted bones with texture on a dark, uneven background."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] / max(shape)
    rng = np.random.default_rng(4)
    image = 0.08 + 0.1 * rows
    for middle, tilt, width in ((0.3, 0.15, 0.07), (0.5, -0.1, 0.05)):
        image += 0.6 * np.exp(-(((columns - middle - tilt * rows) / width) ** 2))
    image += 0.04 * np.sin(60 * rows) * np.cos(70 * columns) + rng.normal(0, 0.01, shape)
    return Radiograph(np.clip(image, 0, 1).astype(np.float32), "image.png", "PA")


IMAGES = [make_image((96, 96)), make_image((120, 75)), make_image((40, 130))]
EVERY = [(c.name, s) for c in CORRUPTIONS.values() for s in range(1, len(c.amounts) + 1)]


@pytest.mark.parametrize(("name", "severity"), EVERY)
def test_shape_range_and_type_stay_and_a_seed_decides_all(name: str, severity: int) -> None:
    for image in IMAGES:
        before = image.pixels.copy()
        first = corrupted(image, name, severity, SIZE, "key", seed=3)
        again = corrupted(image, name, severity, SIZE, "key", seed=3)
        assert first.pixels.shape == image.pixels.shape
        assert first.pixels.dtype == np.float32
        assert first.pixels.min() >= 0 and first.pixels.max() <= 1
        assert (first.source, first.view) == (image.source, image.view)
        np.testing.assert_array_equal(first.pixels, again.pixels)
        np.testing.assert_array_equal(image.pixels, before)
        assert not np.array_equal(first.pixels, image.pixels)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severity_zero_changes_nothing_and_every_step_changes_more(name: str) -> None:
    image = IMAGES[0]
    assert corrupted(image, name, 0, SIZE, "key") is image
    steps = range(1, len(CORRUPTIONS[name].amounts) + 1)
    changed = [corrupted(image, name, s, SIZE, "key").pixels for s in steps]
    distance = [float(np.abs(x - image.pixels).mean()) for x in changed]
    assert distance == sorted(distance) and distance[0] > 0
    assert len(set(distance)) == len(distance)


@pytest.mark.parametrize("name", ["quantum_noise", "rotation", "crop", "marker"])
def test_draws_depend_on_seed_and_image(name: str) -> None:
    image = IMAGES[0]
    drawn = {corrupted(image, name, 3, SIZE, k, s).pixels.tobytes() for k in "abcd" for s in (1, 2)}
    assert len(drawn) > 1


def test_an_unknown_corruption_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected one of quantum_noise"):
        corrupted(IMAGES[0], "fog", 1, SIZE, "key")
    with pytest.raises(ConfigError, match="expected 0 to 1"):
        corrupted(IMAGES[0], "inversion", 2, SIZE, "key")


def test_an_amount_of_zero_changes_nothing() -> None:
    image = IMAGES[1].pixels
    for same in (
        blur(image, 0),
        change_gamma(image, 1),
        change_gain(image, 1),
        rotate(image, 0),
        crop(image, 0, (0.5, 0.5)),
        add_marker(image, 0, "L", (True, True)),
    ):
        np.testing.assert_array_equal(same, image)


def test_inverting_twice_changes_nothing() -> None:
    np.testing.assert_allclose(invert(invert(IMAGES[0].pixels)), IMAGES[0].pixels, atol=1e-7)


def test_jpeg_is_pillows_own_round_trip() -> None:
    image = IMAGES[1].pixels
    for quality in (90, 30, 5):
        buffer = io.BytesIO()
        Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
        expected = np.asarray(Image.open(buffer), np.float32) / 255
        np.testing.assert_array_equal(compress_jpeg(image, quality), expected)


def quantum_variance(grey: float, photons: float) -> float:
    """Variance of the grey for many photons, before clipping, by the delta method."""
    return float(1 / (ATTENUATION**2 * photons * np.exp(-ATTENUATION * grey)))


def exact_variance(grey: float, photons: float) -> float:
    """Variance of the grey, summed over all counts of the Poisson distribution."""
    expected = photons * np.exp(-ATTENUATION * grey)
    k = np.arange(int(expected + 12 * np.sqrt(expected) + 30))
    p = np.exp(k * np.log(expected) - expected - gammaln(k + 1))
    shown = np.clip(-np.log(np.maximum(k, 0.5) / photons) / ATTENUATION, 0, 1)
    return float(p @ shown**2 - (p @ shown) ** 2)


@pytest.mark.parametrize(("grey", "photons"), [(0.2, 2000), (0.5, 1000), (0.8, 300), (0.5, 40)])
def test_noise_has_the_variance_of_its_formula(grey: float, photons: float) -> None:
    flat = np.full((400, 400), grey, np.float32)
    seen = add_quantum_noise(flat, photons, np.random.default_rng(1))
    assert float(seen.var()) == pytest.approx(exact_variance(grey, photons), rel=0.03)
    if photons * np.exp(-ATTENUATION * grey) > 25:
        assert float(seen.var()) == pytest.approx(quantum_variance(grey, photons), rel=0.1)
        assert float(seen.mean()) == pytest.approx(grey, abs=0.02)


def test_noise_is_defined_per_pixel_of_the_models_input() -> None:
    """An image of twice the size has a quarter of the photons per pixel: averaged, equal noise."""
    flat = Radiograph(np.full((128, 128), 0.4, np.float32))
    fine = Radiograph(np.full((512, 512), 0.4, np.float32))
    coarse = corrupted(flat, "quantum_noise", 1, 128, "a").pixels
    halves = corrupted(fine, "quantum_noise", 1, 256, "a").pixels
    averaged = halves.reshape(256, 2, 256, 2).mean(axis=(1, 3))
    assert float(averaged.std()) == pytest.approx(float(coarse.std()), rel=0.05)


def test_blur_spreads_a_point_by_its_sigma() -> None:
    point = np.zeros((81, 81), np.float32)
    point[40, 40] = 1
    spread = blur(point, 3.0).astype(np.float64)
    offset = np.arange(81) - 40
    assert spread.sum() == pytest.approx(1, abs=1e-3)
    assert np.sqrt(spread.sum(axis=0) @ offset**2) == pytest.approx(3, rel=0.01)


def test_a_quarter_turn_is_numpys() -> None:
    image = IMAGES[0].pixels
    np.testing.assert_allclose(rotate(image, 90), np.rot90(image), atol=1e-5)


def quarters() -> Array:
    """Four flat quarters of 32 px."""
    return np.kron(np.array([[0.1, 0.3], [0.6, 0.9]]), np.ones((32, 32))).astype(np.float32)


@pytest.mark.parametrize(
    ("place", "grey"), [((0, 0), 0.1), ((1, 0), 0.3), ((0, 1), 0.6), ((1, 1), 0.9)]
)
def test_crop_shows_the_requested_place(place: tuple[float, float], grey: float) -> None:
    cropped = crop(quarters(), 0.5, place)
    # At the very border the interpolation reads one pixel beyond the crop.
    np.testing.assert_allclose(cropped[2:-2, 2:-2], grey, atol=1e-6)


def test_gain_saturates_greys_above_its_inverse() -> None:
    image = IMAGES[0].pixels
    np.testing.assert_array_equal(change_gain(image, 2) == 1, image * np.float32(2) >= 1)


@pytest.mark.parametrize("corner", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("share", [0.1, 0.3])
def test_marker_is_so_high_and_in_its_corner(corner: tuple[bool, bool], share: float) -> None:
    image = np.zeros((200, 160), np.float32)
    rows, columns = np.nonzero(add_marker(image, share, "L", corner) > 0.5)
    assert np.ptp(rows) + 1 == pytest.approx(share * 200, abs=3)
    assert (columns.mean() > 80) == corner[0]
    assert (rows.mean() > 100) == corner[1]
    assert min(rows.min(), columns.min()) >= 1 and rows.max() < 199 and columns.max() < 159


def test_marker_only_brightens() -> None:
    image = IMAGES[1].pixels
    marked = add_marker(image, 0.2, "R", (True, False))
    changed: npt.NDArray[np.bool_] = marked != image
    assert changed.any() and (marked[changed] > image[changed]).all()


def test_the_suite_is_described_in_words() -> None:
    rows = suite_rows()
    assert [name for name, _, _ in rows] == list(CORRUPTIONS)
    assert all(len(c.amounts) == 5 or c.name == "inversion" for c in CORRUPTIONS.values())
    assert {n: a for n, a, _ in rows}["rotation"] == "5°, 10°, 15°, 25°, 40°"
