"""Changes of a source's signature: off by default, one seed per image, covers leave masks."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from ulna.config.recipe import Augmentation
from ulna.training.augment import Crops, Rows, augment, draw_fill, draw_moves
from ulna.training.signature.change import change_signature, changes_signature
from ulna.training.signature.covers import draw_frame, draw_letters
from ulna.training.signature.detector import (
    blurred,
    change_edges,
    change_tone,
    compress,
    lay_veil,
    lower_resolution,
)

NOTHING = Augmentation(
    rotation=0, translation=0, scale=0, brightness=0, contrast=0, gamma=0, noise=0, invert=0, flip=0
)
EVERYTHING = {
    "frame": 0.5, "letters": 0.6, "veil": 0.5, "edges": 2.0, "resample": 0.6, "jpeg": 0.5,
    "tone": 0.2,
}  # fmt: skip


def _image(seed: int = 0, side: int = 96) -> torch.Tensor:
    """(S, S) a smooth picture with detail, in [0.1, 0.9]."""
    noise = np.random.default_rng(seed).random((side, side))
    smooth = ndimage.gaussian_filter(noise, 2)
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    return torch.from_numpy((0.1 + 0.8 * smooth).astype(np.float32))


def _batch(n: int = 6, side: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.stack([_image(i, side) for i in range(n)])
    masks = torch.zeros(n, side // 4, side // 4)
    masks[:, 4:9, 5:9] = 1
    return (images * 255).to(torch.uint8), (masks * 255).to(torch.uint8)


def test_off_is_the_same_draws_as_before_there_were_any() -> None:
    """Recipes of earlier versions train image by image as they did."""
    settings = Augmentation()
    assert not changes_signature(settings) and settings.least_fill == 1
    rng, other = np.random.default_rng(5), np.random.default_rng(5)
    augment(*_batch(), settings, rng)
    other.random(6 * (1 + 1 + 1 + 2))  # angle, scale, flip, shift
    other.random(6 * 5)  # gamma, contrast, brightness, polarity, noise
    other.integers(2**62)
    assert rng.random() == other.random()


@pytest.mark.parametrize("name", EVERYTHING)
def test_each_change_changes_and_stays_in_range(name: str) -> None:
    settings = Augmentation(**{name: EVERYTHING[name] if name in ("edges", "tone") else 0.8})
    x = torch.stack([_image(i) for i in range(12)])[:, None]
    seeds = np.arange(12)
    out, masks = change_signature(x, torch.ones(12, 1, 24, 24), settings, seeds)
    assert out.shape == x.shape and out.dtype == torch.float32
    assert out.min() >= 0 and out.max() <= 1
    changed = (out != x).flatten(1).any(1)
    assert 3 <= changed.sum() <= 12
    assert changes_signature(settings)
    covers = name in ("frame", "letters")
    assert bool((masks < 1).any()) == covers


def test_an_image_is_changed_alike_whatever_the_batch() -> None:
    """Several processes that share a batch change the images as a single one does."""
    settings = Augmentation(**EVERYTHING, least_fill=0.4)
    images, masks = _batch()
    whole = augment(images, masks, settings, np.random.default_rng(3))
    for own in ([0, 1, 2], [3, 4, 5], [1, 4]):
        rows = Rows(np.array(own), 6)
        part = augment(images[own], masks[own], settings, np.random.default_rng(3), None, rows)
        for one, other in zip(part, whole, strict=True):
            torch.testing.assert_close(one, other[own], atol=0, rtol=0)


def test_crops_are_changed_too_and_deterministically() -> None:
    settings = Augmentation(**EVERYTHING, least_fill=0.5)
    images, masks = _batch()
    crops = Crops(32, np.zeros((6, 2), np.float32))
    first = augment(images, masks, settings, np.random.default_rng(1), crops)
    again = augment(images, masks, settings, np.random.default_rng(1), crops)
    assert first[0].shape == (6, 1, 32, 32) and first[1].shape == (6, 1, 8, 8)
    for one, other in zip(first, again, strict=True):
        torch.testing.assert_close(one, other, atol=0, rtol=0)


def test_an_image_fills_the_share_drawn_anywhere_in_its_frame() -> None:
    n, settings = 200, Augmentation(**{**vars(NOTHING), "least_fill": 0.3})
    images = torch.full((n, 64, 64), 200, dtype=torch.uint8)
    masks = torch.full((n, 16, 16), 255, dtype=torch.uint8)
    fill = draw_fill(n, settings, np.random.default_rng(0))
    assert 0.3 <= fill.min() < 0.33 and 0.95 < fill.max() <= 1
    assert np.median(fill) == pytest.approx(np.sqrt(0.3), abs=0.05)
    moves = draw_moves(n, settings, np.random.default_rng(0), fill)
    out, moved = augment(images, masks, settings, np.random.default_rng(0), moves=moves)
    shown = (out[:, 0] > 0.3).float()
    np.testing.assert_allclose(shown.mean((1, 2)).sqrt(), fill, atol=0.04)
    np.testing.assert_allclose(moved.mean((1, 2, 3)).sqrt(), fill, atol=0.03)
    rows = (shown * torch.arange(64)[:, None]).sum((1, 2)) / shown.sum((1, 2))
    small = torch.from_numpy(fill < 0.4)
    assert rows[small].min() < 16 and rows[small].max() > 48


def test_fine_detail_is_averaged_before_an_image_is_made_smaller() -> None:
    """An image stored smaller is a mean over areas: looked-up pixels would be noise."""
    noise = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 256, 256), np.uint8))
    small = augment(
        noise, noise[:, ::4, ::4].contiguous(), NOTHING, np.random.default_rng(0),
        moves=draw_moves(1, NOTHING, np.random.default_rng(0), np.array([1.0])),
    )[0]  # fmt: skip
    settings = Augmentation(**{**vars(NOTHING), "least_fill": 0.3})
    out = augment(
        noise, noise[:, ::4, ::4].contiguous(), settings, np.random.default_rng(0),
        moves=draw_moves(1, settings, np.random.default_rng(0), np.array([0.3])),
    )[0]  # fmt: skip
    inside = out[out > 0.02]
    assert small.std() > 0.25 and inside.std() < 0.12


def test_what_is_covered_leaves_the_mask() -> None:
    rng = np.random.default_rng(0)
    for draw in (draw_frame, draw_letters):
        for _ in range(20):
            image = _image()
            changed, covered = draw(image, rng)
            if draw is draw_frame:  # a letter's soft edge is no cover
                torch.testing.assert_close(changed[covered == 0], image[covered == 0])
            assert set(covered.unique().tolist()) <= {0.0, 1.0}
            assert covered.mean() < 0.45


def test_letters_are_read_by_the_detector_of_plates() -> None:
    """Drawn letters are detected by `find_letters`, like those of real images."""
    from ulna.robustness.sources.standardise import find_letters

    rng, result = np.random.default_rng(0), 0
    for _ in range(40):
        image = 0.2 + 0.1 * _image(side=320)
        result += bool(find_letters(draw_letters(image, rng)[0].numpy()))
    assert result > 10


def test_blur_and_edges_are_gaussian() -> None:
    image = _image()
    expected = ndimage.gaussian_filter(image.numpy(), 1.5, mode="nearest", truncate=3.0)
    np.testing.assert_allclose(blurred(image, 1.5), expected, atol=1e-6)
    torch.testing.assert_close(change_edges(image, 0.0, 1.5), image)
    torch.testing.assert_close(change_edges(image, -1.0, 1.5), blurred(image, 1.5).clamp(0, 1))
    torch.testing.assert_close(change_edges(image, -3.0, 1.5), blurred(image, 1.5).clamp(0, 1))
    fine = image - blurred(image, 1.5)
    torch.testing.assert_close(change_edges(image, 0.3, 1.5), (image + 0.3 * fine).clamp(0, 1))


@pytest.mark.parametrize("quality", [12, 35, 60, 88])
def test_compression_is_that_of_a_jpeg_coder(quality: int) -> None:
    image = torch.from_numpy(np.round(_image(side=90).numpy() * 255).astype(np.float32) / 255)
    buffer = io.BytesIO()
    Image.fromarray((image.numpy() * 255).round().astype(np.uint8)).save(
        buffer, "JPEG", quality=quality
    )
    expected = np.asarray(Image.open(buffer), np.float32) / 255
    result = compress(image, quality).numpy()
    away = np.abs(result - expected)
    # A coefficient at the border of two steps may be rounded to either.
    blocks = away[:88, :88].reshape(11, 8, 11, 8).max((1, 3))
    assert (blocks < 1.6 / 255).mean() > 0.8 and away.mean() < 1 / 255
    assert np.abs(result - image.numpy()).max() > 2 / 255


def test_lower_resolution_loses_detail_and_keeps_the_mean() -> None:
    image = _image()
    low = lower_resolution(image, 0.4)
    assert low.shape == image.shape and abs(float(low.mean() - image.mean())) < 2e-3
    detail = [float((f - blurred(f, 2.0)).std()) for f in (image, low)]
    assert detail[1] < 0.8 * detail[0]
    assert lower_resolution(image, 1.0) is image


def test_a_tone_curve_rises_and_stays_within_the_requested_distance_of_the_identity() -> None:
    ramp = torch.linspace(0, 1, 512)[None].expand(4, 512)
    away = []
    for seed in range(60):
        out = change_tone(ramp, 0.2, np.random.default_rng(seed))
        assert (out.diff(dim=1) >= 0).all()
        assert out[0, 0] == 0 and out[0, -1] == 1
        away.append(float((out - ramp).abs().max()))
    assert 0.1 < max(away) <= 0.2 + 2e-3 and min(away) < 0.05


def test_a_veil_brightens_and_hides_nothing() -> None:
    image = _image()
    out = lay_veil(image, np.random.default_rng(2))
    assert (out >= image - 1e-6).all() and (out > image + 0.02).any() and (out == image).any()
    where = out > image + 0.02
    kept = float(np.corrcoef(image[where], out[where])[0, 1])
    assert kept > 0.5
