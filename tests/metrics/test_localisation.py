"""Laws of the localisation measures and their chance levels."""

import numpy as np
import pytest
from scipy import ndimage

from ulna.errors import ConfigError
from ulna.metrics.localisation import (
    box_mask,
    energy_inside,
    energy_inside_chance,
    map_iou,
    map_iou_chance,
    pointing_game,
    pointing_game_chance,
    pointing_tolerance,
)


@pytest.fixture
def mask() -> np.ndarray:
    inside = np.zeros((60, 80), dtype=bool)
    inside[20:30, 30:50] = True
    return inside


def peak(row: int, column: int) -> np.ndarray:
    heat = np.full((60, 80), -1.0)
    heat[row, column] = 2.0
    return heat


def test_pointing_within_tolerance(mask: np.ndarray) -> None:
    assert pointing_game(peak(25, 40), mask, 0) == 1
    assert pointing_game(peak(33, 40), mask, 4) == 1
    assert pointing_game(peak(33, 40), mask, 3.9) == 0
    assert pointing_game(peak(32, 52), mask, 4.2) == 0  # Euclidean: sqrt(18) = 4.24
    assert pointing_game(peak(32, 52), mask, 4.3) == 1


def test_flat_map_scores_chance(mask: np.ndarray) -> None:
    flat = np.ones(mask.shape)
    for tolerance in (0, 5):
        assert pointing_game(flat, mask, tolerance) == pytest.approx(
            pointing_game_chance(mask, tolerance)
        )
    assert energy_inside(flat, mask) == pytest.approx(energy_inside_chance(mask)) == 200 / 4800


@pytest.mark.parametrize("radius", [0, 1, 2.5, 7, 40])
def test_widened_mask_equals_the_distance_transform(radius: float) -> None:
    scattered = np.random.default_rng(1).random((40, 55)) < 0.004
    scattered[0, 0] = True
    expected = ndimage.distance_transform_edt(~scattered) <= radius
    assert pointing_game_chance(scattered, radius) == expected.mean()
    for row, column in ((0, 0), (39, 54), (20, 30)):
        heat = np.zeros(scattered.shape)
        heat[row, column] = 1
        assert pointing_game(heat, scattered, radius) == expected[row, column]


def test_ties_get_the_expected_share(mask: np.ndarray) -> None:
    assert pointing_game(np.maximum(peak(25, 40), peak(0, 0)), mask, 0) == 0.5


def test_random_points_hit_as_often_as_chance_says(mask: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    hits = [pointing_game(rng.random(mask.shape), mask, 6) for _ in range(600)]
    assert np.mean(hits) == pytest.approx(pointing_game_chance(mask, 6), abs=0.04)


def test_energy_counts_positive_mass_only(mask: np.ndarray) -> None:
    heat = np.where(mask, 3.0, -5.0)
    assert energy_inside(heat, mask) == 1
    assert energy_inside(-heat, mask) == 0
    assert energy_inside(np.full(mask.shape, -1.0), mask) == 0


def test_iou_of_equal_disjoint_and_half(mask: np.ndarray) -> None:
    assert map_iou(mask * 2.0, mask, 1) == 1
    assert map_iou(~mask * 2.0, mask, 1) == 0
    assert map_iou(mask * 2.0, mask, 2) == 0  # nothing is above the threshold
    half = np.zeros(mask.shape)
    half[20:30, 30:40] = 1
    assert map_iou(half, mask, 0.5) == 0.5


def test_iou_chance_is_the_mean_over_all_shifts(mask: np.ndarray) -> None:
    heat = np.zeros(mask.shape)
    heat[5:20, 5:15] = 1
    by_hand = [
        map_iou(np.roll(heat, (i, j), (0, 1)), mask, 0.5) for i in range(60) for j in range(80)
    ]
    assert map_iou_chance(heat, mask, 0.5) == pytest.approx(np.mean(by_hand))


def test_iou_chance_of_a_reduced_image_is_close(mask: np.ndarray) -> None:
    large = np.kron(mask, np.ones((8, 8), dtype=bool))
    assert map_iou_chance(large * 1.0, large, 0.5) == pytest.approx(
        map_iou_chance(mask * 1.0, mask, 0.5), rel=0.1
    )


def test_box_mask_marks_pixel_centres_and_thin_boxes() -> None:
    np.testing.assert_array_equal(np.argwhere(box_mask([(1, 2, 2, 1)], (4, 4))), [[2, 1], [2, 2]])
    assert box_mask([(1.6, 1.6, 0.0, 0.0)], (4, 4)).sum() == 1


def test_tolerance_is_a_share_of_the_longest_side() -> None:
    assert pointing_tolerance((100, 500)) == 15


@pytest.mark.parametrize("bad", [np.zeros((60, 80)), np.ones((5, 5)), np.ones(4)])
def test_bad_masks_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ConfigError):
        energy_inside(np.ones((60, 80)), bad)
