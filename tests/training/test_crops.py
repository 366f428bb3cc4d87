"""Crops: aimed at findings, labelled by what they show, cut from the same place as the mask."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from ulna.config.recipe import Augmentation, ExpertConfig
from ulna.errors import UlnaWarning
from ulna.training.augment import Crops, augment, draw_affine
from ulna.training.cache import TrainingImages
from ulna.training.crops import CropSampling, draw_centres, effective_crop_share, label_crops
from ulna.training.learner import Batch

NOTHING = Augmentation(
    rotation=0, translation=0, scale=0, brightness=0, contrast=0, gamma=0, noise=0, invert=0, flip=0
)


def _masks(n: int = 200) -> np.ndarray:
    masks = np.zeros((n, 32, 32), np.uint8)
    masks[:, 4:7, 20:24] = 255
    return masks


def test_crops_stay_inside_and_most_show_the_finding() -> None:
    masks = _masks()
    images = np.full((200, 128, 128), 90, np.uint8)
    centres = draw_centres(images, masks, CropSampling(0.5), np.random.default_rng(0))
    assert np.abs(centres).max() <= 0.5 + 1e-6
    column, row = (centres[:, 0] + 1) * 16, (centres[:, 1] + 1) * 16
    seen = (np.abs(column - 22) < 8) & (np.abs(row - 5.5) < 8)
    assert 0.6 < seen.mean() < 0.95
    free = draw_centres(images, np.zeros_like(masks), CropSampling(0.5), np.random.default_rng(0))
    assert np.abs(free.mean(0)).max() < 0.1


@pytest.mark.parametrize("inverted", [False, True])
def test_crops_without_finding_are_aimed_at_tissue(inverted: bool) -> None:
    images = np.zeros((100, 128, 128), np.uint8)
    images[:, 40:80, 70:110] = 180
    if inverted:
        images = 255 - images
    centres = draw_centres(
        images, np.zeros((100, 32, 32), np.uint8), CropSampling(0.25), np.random.default_rng(0)
    )
    column, row = ((centres + 1) * 64).T
    assert np.all((column > 68) & (column < 112) & (row > 38) & (row < 82))
    black = draw_centres(
        images * 0, np.zeros((100, 32, 32), np.uint8), CropSampling(0.25), np.random.default_rng(0)
    )
    assert np.abs(black).max() <= 0.75


def test_crop_is_the_cut_of_image_and_mask() -> None:
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (3, 128, 128), dtype=np.uint8))
    masks = images[:, ::4, ::4].contiguous()
    centres = np.array([[0, 0], [-0.5, -0.5], [0.5, 0.25]], np.float32)
    out, cut = augment(images, masks, NOTHING, rng, Crops(64, centres))
    assert out.shape == (3, 1, 64, 64)
    assert cut.shape == (3, 1, 16, 16)
    for i, (left, top) in enumerate([(32, 32), (0, 0), (64, 48)]):
        expected = images[i, top : top + 64, left : left + 64].float() / 255
        torch.testing.assert_close(out[i, 0], expected, atol=1e-4, rtol=0)
        expected = masks[i, top // 4 : top // 4 + 16, left // 4 : left // 4 + 16].float() / 255
        torch.testing.assert_close(cut[i, 0], expected, atol=1e-4, rtol=0)


def test_a_turned_crop_is_the_same_part_of_the_turned_image() -> None:
    """Cutting before warping changes nothing: the crop equals the one warped from the whole."""
    rng = np.random.default_rng(1)
    images = torch.from_numpy(rng.integers(0, 256, (6, 128, 128), dtype=np.uint8))
    turned = Augmentation(**{**NOTHING.__dict__, "rotation": 30.0, "scale": 0.2, "flip": 0.5})
    centres = rng.uniform(-0.5, 0.5, (6, 2)).astype(np.float32)
    crop, _ = augment(images, images, turned, np.random.default_rng(7), Crops(64, centres))
    theta = draw_affine(6, turned, np.random.default_rng(7))
    theta[:, :, :2] *= 0.5
    theta[:, :, 2] = torch.from_numpy(centres)
    grid = functional.affine_grid(theta, [6, 1, 64, 64], align_corners=False)
    expected = functional.grid_sample(images[:, None] / 255, grid, align_corners=False)
    torch.testing.assert_close(crop, expected, atol=1e-4, rtol=0)


def test_labels_are_those_of_what_the_crop_shows() -> None:
    whole = torch.from_numpy(_masks(5))
    crops = torch.zeros(5, 1, 16, 16)
    crops[0, 0, 4:7, 4:8] = 1  # all of the finding
    crops[1, 0, 4, 4] = 1  # a twelfth of it
    batch = Batch(
        pixels=torch.zeros(5, 1, 64, 64),
        masks=crops,
        has_mask=torch.tensor([True, True, True, True, False]),
        part=torch.zeros(5, dtype=torch.long),
        abnormal=torch.tensor([1.0, 1.0, 1.0, 0.0, 1.0]),
        categories=torch.tensor([[1.0], [1.0], [1.0], [0.0], [1.0]]),
    )
    out = label_crops(batch, whole)
    nan = float("nan")
    expected = torch.tensor([1, nan, 0, 0, nan])
    torch.testing.assert_close(out.abnormal, expected, equal_nan=True)
    expected = torch.tensor([[1], [nan], [0], [0], [nan]])
    torch.testing.assert_close(out.categories, expected, equal_nan=True)


def test_what_a_crop_shows_of_findings_that_masks_do_not_mark() -> None:
    """Masks of a source of fractures say nothing of hardware, and a missing label stays unknown."""
    nan = float("nan")
    crops = torch.zeros(4, 1, 16, 16)
    crops[0, 0, 4:7, 4:8] = 1  # all of the fracture
    image = torch.tensor([[1, 1], [1, 0], [0, nan], [0, 1]])
    batch = Batch(
        pixels=torch.zeros(4, 1, 64, 64),
        masks=crops,
        has_mask=torch.ones(4, dtype=torch.bool),
        part=torch.zeros(4, dtype=torch.long),
        abnormal=image[:, 0],
        categories=image,
    )
    whole = torch.from_numpy(_masks(4))
    fractures = label_crops(batch, whole, marked_F=torch.tensor([True, False]))
    wanted = torch.tensor([[1, nan], [0, 0], [0, nan], [0, nan]])
    torch.testing.assert_close(fractures.categories, wanted, equal_nan=True)
    everything = label_crops(batch, whole)
    wanted = torch.tensor([[1, 1], [0, 0], [0, nan], [0, nan]])
    torch.testing.assert_close(everything.categories, wanted, equal_nan=True)


def test_crops_of_normal_images_go_where_these_look_abnormal() -> None:
    images = np.full((300, 128, 128), 90, np.uint8)
    masks = np.zeros((300, 32, 32), np.uint8)
    masks[:50] = _masks(50)
    hard = np.zeros((300, 8, 8), np.uint8)
    hard[50:200, 6, 1] = 255
    centres = draw_centres(images, masks, CropSampling(0.25), np.random.default_rng(0), hard)
    near = np.hypot(centres[:, 0] + 0.625, centres[:, 1] - 0.625) < 0.3
    assert 0.55 < near[50:200].mean() < 0.85
    assert near[200:].mean() < 0.2 and near[:50].mean() < 0.2


def test_findings_that_masks_do_not_mark_are_unknown_in_a_crop() -> None:
    """Regression: a crop without the fracture counted as one without hardware and dislocation."""
    nan = float("nan")
    whole = torch.from_numpy(_masks(4))
    whole[2:] = 0
    batch = Batch(
        pixels=torch.zeros(4, 1, 64, 64),
        masks=torch.zeros(4, 1, 16, 16),
        has_mask=torch.tensor([True, True, True, True]),
        part=torch.zeros(4, dtype=torch.long),
        abnormal=torch.tensor([1.0, 1.0, 0.0, 0.0]),
        categories=torch.tensor([[1, 0, nan], [1, 1, nan], [0, 1, nan], [0, 0, nan]]),
    )
    out = label_crops(batch, whole)
    torch.testing.assert_close(out.abnormal, torch.zeros(4))
    expected = torch.tensor([[0, 0, nan], [nan, nan, nan], [0, nan, nan], [0, 0, nan]])
    torch.testing.assert_close(out.categories, expected, equal_nan=True)


def test_a_finding_on_an_image_made_smaller_is_whole_in_a_crop_that_holds_it() -> None:
    whole = torch.from_numpy(_masks(1))
    crops = torch.zeros(1, 1, 16, 16)
    crops[0, 0, 4, 4] = 1  # a twelfth of the finding's area: all of it at 0.3 of the size
    batch = Batch(
        torch.zeros(1, 1, 64, 64), crops, torch.tensor([True]), torch.zeros(1).long(),
        torch.ones(1), torch.ones(1, 1),
    )  # fmt: skip
    assert torch.isnan(label_crops(batch, whole).abnormal[0])
    assert label_crops(batch, whole, np.array([0.3])).abnormal[0] == 1
    assert torch.isnan(label_crops(batch, whole, np.array([1.0])).abnormal[0])


def test_crops_are_for_sources_with_masks_and_normal_images_of_the_others() -> None:
    def images(marked: np.ndarray, source: np.ndarray) -> TrainingImages:
        n = len(marked)
        empty = np.zeros((n, 1, 1), np.uint8)
        abnormal, zeros = np.ones(n, np.float32), np.zeros(n, np.int64)
        return TrainingImages(
            empty, empty, marked, zeros, abnormal, np.ones((n, 1), np.float32), zeros, ("a",),
            source, np.ones(n),
        )  # fmt: skip

    config = ExpertConfig(name="cnn", encoder="cnn", crop_size=32, crop_share=0.5)
    marked = np.arange(40) < 10
    of_two = images(marked, (np.arange(40) >= 12).astype(np.int64))
    assert effective_crop_share(config, of_two, np.arange(40)) == 0.5
    for nothing in (images(marked, np.zeros(40, np.int64)), images(marked & False, of_two.source)):
        with pytest.warns(UlnaWarning, match="whole images only"):
            assert effective_crop_share(config, nothing, np.arange(40)) == 0
