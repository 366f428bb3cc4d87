"""Augmentation: identity at zero, image and mask move together, draws follow the seed."""

from __future__ import annotations

import numpy as np
import torch

from ulna.config.recipe import Augmentation
from ulna.training.augment import augment

NOTHING = Augmentation(
    rotation=0, translation=0, scale=0, brightness=0, contrast=0, gamma=0, noise=0, invert=0, flip=0
)


def _images(n: int = 4, side: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, side, side), generator=generator, dtype=torch.uint8)


def test_no_change_is_the_identity() -> None:
    images = _images()
    out, masks = augment(images, images, NOTHING, np.random.default_rng(0))
    torch.testing.assert_close(out[:, 0], images.float() / 255, atol=1e-5, rtol=0)
    torch.testing.assert_close(masks, out, atol=1e-5, rtol=0)


def test_flip_is_the_mirror_image() -> None:
    images = _images()
    settings = Augmentation(**{**NOTHING.__dict__, "flip": 1.0})
    out, _ = augment(images, images, settings, np.random.default_rng(0))
    torch.testing.assert_close(out[:, 0], images.flip(-1).float() / 255, atol=1e-4, rtol=0)


def test_inversion_keeps_the_picture() -> None:
    images = _images()
    settings = Augmentation(**{**NOTHING.__dict__, "invert": 1.0})
    out, _ = augment(images, images, settings, np.random.default_rng(0))
    torch.testing.assert_close(out[:, 0], 1 - images.float() / 255, atol=1e-5, rtol=0)


def test_mask_moves_with_the_image() -> None:
    images = torch.zeros(16, 64, 64, dtype=torch.uint8)
    images[:, 36:48, 12:24] = 255
    masks = images[:, ::4, ::4].contiguous()
    moves = Augmentation(brightness=0, contrast=0, gamma=0, noise=0, invert=0)
    out, moved = augment(images, masks, moves, np.random.default_rng(1))
    small = torch.nn.functional.avg_pool2d(out, 4)
    overlap = torch.minimum(small, moved).flatten(1).sum(1) / moved.flatten(1).sum(1)
    assert float(overlap.min()) > 0.75


def test_draws_follow_the_seed_and_stay_in_range() -> None:
    images, settings = _images(), Augmentation(erase=0.5, noise=0.05, invert=0.5)
    first, _ = augment(images, images, settings, np.random.default_rng(3))
    again, _ = augment(images, images, settings, np.random.default_rng(3))
    other, _ = augment(images, images, settings, np.random.default_rng(4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert float(first.min()) >= 0
    assert float(first.max()) <= 1
