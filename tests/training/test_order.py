"""The images of an epoch: a permutation, or a draw with the requested composition."""

from __future__ import annotations

import numpy as np
import pytest

from ulna.training.order import (
    Shares,
    draw_epoch,
    draw_epoch_with_unknown,
    draw_rates,
    source_shares,
)

IMAGES = np.arange(100, 200)
ABNORMAL = np.arange(100) % 10 == 0


def _draw(share: float, seed: int = 0, abnormal: np.ndarray = ABNORMAL) -> np.ndarray:
    return draw_epoch(IMAGES, abnormal, Shares(share), np.random.SeedSequence(seed))


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


def test_a_single_class_is_permuted() -> None:
    np.testing.assert_array_equal(np.sort(_draw(0.5, abnormal=np.ones(100, bool))), IMAGES)


UNKNOWN = np.arange(100) >= 40


def _beside(share: float, beside: float, seed: int = 0) -> np.ndarray:
    return draw_epoch_with_unknown(
        IMAGES, ABNORMAL, UNKNOWN, Shares(share, beside), np.random.SeedSequence(seed)
    )


def test_without_unknown_parts_it_is_the_plain_draw() -> None:
    np.testing.assert_array_equal(_beside(0.5, 0.0), _draw(0.5))


@pytest.mark.parametrize(("share", "beside"), [(0.0, 0.25), (0.5, 0.4), (0.3, 0.9)])
def test_unknown_parts_have_their_share_and_each_group_its_composition(
    share: float, beside: float
) -> None:
    draws = [_beside(share, beside, seed) for seed in range(24)]
    times = np.bincount(np.concatenate(draws) - 100, minlength=100)
    assert times.sum() == 2400
    assert times[UNKNOWN].sum() == 24 * round(100 * beside)
    for side in (UNKNOWN, ~UNKNOWN):
        own = times[side & ABNORMAL].sum() / times[side].sum()
        assert own == pytest.approx(share or ABNORMAL[side].mean(), abs=0.1)
    assert times.min() > 0


def test_a_draw_with_unknown_parts_is_seeded() -> None:
    np.testing.assert_array_equal(_beside(0.5, 0.4, 3), _beside(0.5, 0.4, 3))
    assert (_beside(0.5, 0.4, 3) != _beside(0.5, 0.4, 4)).any()


def test_a_share_of_less_than_one_image_draws_none() -> None:
    unknown = np.arange(100) < 20
    seed = np.random.SeedSequence(0)
    for beside, expected in ((0.001, 0), (0.999, 100)):
        order = draw_epoch_with_unknown(IMAGES, ABNORMAL, unknown, Shares(0.0, beside), seed)
        assert len(order) == 100 and unknown[order - 100].sum() == expected


SOURCE = (np.arange(100) >= 70).astype(np.int64) + (np.arange(100) >= 96)


def test_sources_have_the_share_that_balance_and_weight_give_them() -> None:
    ones = np.ones(100)
    assert source_shares(SOURCE, ones, 0.0) is None
    assert source_shares(SOURCE * 0, ones * 3, 1.0) is None
    np.testing.assert_allclose(source_shares(SOURCE, ones, 1.0), np.full(3, 1 / 3))
    roots = np.sqrt([70, 26, 4])
    np.testing.assert_allclose(source_shares(SOURCE, ones, 0.5), roots / roots.sum())
    weight = np.array([1.0, 2, 1])[SOURCE]
    np.testing.assert_allclose(source_shares(SOURCE, weight, 0.0), np.array([70, 52, 4]) / 126)


@pytest.mark.parametrize(("share", "beside"), [(0.0, 0.0), (0.5, 0.0), (0.5, 0.3)])
def test_a_draw_over_sources_has_their_shares_and_each_its_composition(
    share: float, beside: float
) -> None:
    """The label must not follow from the source: each has the same share of abnormal images."""
    abnormal = (np.arange(100) % 4 == 0) | (SOURCE == 1) & (np.arange(100) % 2 == 0)
    shares = Shares(share, beside, SOURCE, source_shares(SOURCE, np.ones(100), 1.0))
    unknown = np.arange(100) % 7 == 0
    draws = [
        draw_epoch_with_unknown(IMAGES, abnormal, unknown, shares, np.random.SeedSequence(seed))
        - 100
        for seed in range(40)
    ]
    assert {len(d) for d in draws} == {100}
    times = np.bincount(np.concatenate(draws), minlength=100)
    for source in range(3):
        own = source == SOURCE
        assert times[own].sum() / times.sum() == pytest.approx(1 / 3, abs=0.02)
        if share:
            result = times[own & abnormal].sum() / times[own].sum()
            assert result == pytest.approx(share, abs=0.12), source
    if not beside:
        expected = draw_rates(abnormal, shares)
        measured = times / times.sum()
        assert np.corrcoef(expected, measured)[0, 1] > 0.97
        assert expected.sum() == pytest.approx(1)


def test_one_source_is_drawn_as_ever_whatever_the_balance() -> None:
    """Recipes and runs from before sources keep their order of images, image by image."""
    shares = Shares(0.3, 0.0, np.zeros(100, np.int64), source_shares(SOURCE * 0, np.ones(100), 1))
    seed = np.random.SeedSequence(4)
    np.testing.assert_array_equal(
        draw_epoch(IMAGES, ABNORMAL, shares, seed), draw_epoch(IMAGES, ABNORMAL, Shares(0.3), seed)
    )
