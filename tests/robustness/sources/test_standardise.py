"""Standardised images: one size, only plates covered, never sharper than requested."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from ulna.errors import ConfigError
from ulna.robustness.sources.standardise import (
    CONTROLS,
    LONGEST,
    SHARPNESS,
    at_one_sharpness,
    at_one_size,
    cover_letters,
    find_letters,
    sharpness_of,
)
from ulna.types import Radiograph


def limb(h: int = 400, w: int = 240, seed: int = 0) -> np.ndarray:
    """An image (h, w) of a bright bone with grain in a dimmer arm on dark air."""
    rng = np.random.default_rng(seed)
    image = np.full((h, w), 0.08)
    image[:, w // 4 : 3 * w // 4] = 0.4
    image[:, 2 * w // 5 : 3 * w // 5] = (
        0.75 + 0.2 * ndimage.gaussian_filter(rng.random((h, w)), 1)[:, 2 * w // 5 : 3 * w // 5]
    )
    return (image + 0.02 * rng.random((h, w))).clip(0, 1).astype(np.float32)


def plate(image: np.ndarray, x: int, y: int, size: int = 20, letter: str = "L") -> np.ndarray:
    picture = Image.fromarray((image * 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    draw.rectangle([x, y, x + size, y + size], fill=255)
    draw.text((x + 6, y), letter, fill=0, font=ImageFont.load_default(size=int(size * 0.9)))
    return np.asarray(picture, np.float32) / 255


@pytest.mark.parametrize("letter", ["L", "R"])
@pytest.mark.parametrize("place", [(10, 40), (200, 300), (68, 120)])
def test_plates_in_air_and_on_the_arm_are_covered(place: tuple[int, int], letter: str) -> None:
    image = limb()
    marked = plate(image, *place, letter=letter)
    (box,) = find_letters(marked)
    assert abs(box[1].start - place[0]) <= 1 and abs(box[0].stop - place[1] - 21) <= 1
    covered = cover_letters(Radiograph(marked)).pixels
    inside = np.zeros(image.shape, bool)
    inside[place[1] - 2 : place[1] + 23, place[0] - 2 : place[0] + 23] = True
    np.testing.assert_array_equal(covered[~inside], marked[~inside])
    assert covered[inside].max() < 0.6


def test_bone_screws_and_plain_images_are_unchanged() -> None:
    image = limb()
    assert find_letters(image) == [] and find_letters(np.zeros((50, 50), np.float32)) == []
    image[150:230, 105:135] = 1.0  # a long plate of metal in the bone
    image[60:75, 110:130] = 1.0  # a screw
    assert find_letters(image) == []
    same = Radiograph(image)
    assert cover_letters(same) is same


@pytest.mark.parametrize("shape", [(600, 300), (100, 250), (320, 320)])
def test_one_size(shape: tuple[int, int]) -> None:
    image = Radiograph(np.random.default_rng(0).random(shape).astype(np.float32))
    out = at_one_size(image)
    assert max(out.pixels.shape) == LONGEST
    assert out.pixels.shape[0] / out.pixels.shape[1] == pytest.approx(shape[0] / shape[1], rel=0.01)
    assert out.pixels.mean() == pytest.approx(image.pixels.mean(), abs=0.01)
    if shape == (320, 320):
        np.testing.assert_allclose(out.pixels, image.pixels, atol=1e-6)
    with pytest.raises(ConfigError, match="at least 16"):
        at_one_size(image, 4)


def test_one_sharpness_blurs_down_to_it_and_never_sharpens() -> None:
    sharp = Radiograph(limb(seed=3))
    out = at_one_sharpness(sharp, 0.3)
    assert sharpness_of(sharp.pixels) > 0.3
    assert sharpness_of(out.pixels) == pytest.approx(0.3, abs=0.02)
    enhanced = sharp.pixels + 1.5 * (sharp.pixels - ndimage.gaussian_filter(sharp.pixels, 1))
    other = at_one_sharpness(Radiograph(enhanced.clip(0, 1).astype(np.float32)), 0.3)
    assert sharpness_of(other.pixels) == pytest.approx(0.3, abs=0.02)
    blurred = Radiograph(ndimage.gaussian_filter(sharp.pixels, 6))
    assert at_one_sharpness(blurred, 0.3) is blurred
    with pytest.raises(ConfigError, match="above 0 up to 1"):
        at_one_sharpness(sharp, 0.0)


def test_controls_do_what_their_names_say() -> None:
    image = Radiograph(plate(limb(500, 300), 10, 40))
    out = {name: control(image) for name, control in CONTROLS.items()}
    assert out["plain"] is image
    assert max(out["one_size"].pixels.shape) == LONGEST
    assert find_letters(out["one_size"].pixels) and not find_letters(out["no_letters"].pixels)
    assert sharpness_of(out["one_sharpness"].pixels) <= SHARPNESS + 0.01
    assert max(out["all"].pixels.shape) == LONGEST
    assert not find_letters(out["all"].pixels)


def test_images_of_all_sources_reach_the_common_sharpness(real_data: object) -> None:
    """So 'one_sharpness' brings all of them to the same sharpness, and none stays below it."""
    import csv
    from pathlib import Path

    from ulna.imaging import read_radiograph

    for name in ("fracatlas", "mendeley_wrist", "grazpedwri"):
        folder = Path(str(real_data)) / name
        with (folder / "table.csv").open() as handle:
            images = [folder / r["path"] for r in csv.DictReader(handle)][::31]
        for image in images[:6]:
            assert sharpness_of(at_one_size(read_radiograph(image)).pixels) > SHARPNESS
