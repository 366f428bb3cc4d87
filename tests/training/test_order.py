"""What an epoch shows: a permutation, or a draw of the wanted composition."""

from __future__ import annotations

import numpy as np
import pytest

from ulna.training.order import draw_epoch

IMAGES = np.arange(100, 200)
ABNORMAL = np.arange(100) % 10 == 0


def _draw(share: float, seed: int = 0, abnormal: np.ndarray = ABNORMAL) -> np.ndarray:
    return draw_epoch(IMAGES, abnormal, share, np.random.SeedSequence(seed))


def test_without_a_share_every_image_comes_once_in_a_seeded_order() -> None:
    order = _draw(0.0)
    np.testing.assert_array_equal(np.sort(order), IMAGES)
    np.testing.assert_array_equal(order, _draw(0.0))
    assert (order != _draw(0.0, seed=1)).any()


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5, 0.9])
def test_a_share_sets_the_composition_and_repeats_evenly(share: float) -> None:
    order = _draw(share)
    assert len(order) == 100
    times = np.bincount(order - 100, minlength=100)
    assert times[ABNORMAL].sum() == round(100 * share)
    for chosen in (ABNORMAL, ~ABNORMAL):
        assert times[chosen].max() - times[chosen].min() <= 1


def test_all_normal_images_come_in_turn_over_epochs() -> None:
    seen = set().union(*(_draw(0.5, seed).tolist() for seed in range(20)))
    assert seen == set(IMAGES.tolist())


def test_one_class_alone_is_permuted() -> None:
    np.testing.assert_array_equal(np.sort(_draw(0.5, abnormal=np.ones(100, bool))), IMAGES)
