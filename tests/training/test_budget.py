"""Planning epochs by the clock."""

from __future__ import annotations

import pytest

from ulna.config.recipe import ExpertConfig
from ulna.errors import UlnaWarning
from ulna.training.budget import TimeSpent, epochs_per_minute, warn_if_cut


def test_whole_images_only() -> None:
    spent = TimeSpent()
    for _ in range(10):
        spent.add(0.5, on_windows=False)
    config = ExpertConfig(name="e", encoder="cnn")
    assert epochs_per_minute(spent, config, 0.0, 224, 20) == pytest.approx(60 / (20 * 0.5))


def test_windows_and_whole_images_by_their_shares() -> None:
    config = ExpertConfig(name="e", encoder="cnn", crop_size=128, crop_share=0.75)
    spent = TimeSpent()
    for _ in range(10):
        spent.add(0.1, on_windows=True)
    guessed = 60 / (20 * (0.75 * 0.1 + 0.25 * 0.4))
    assert epochs_per_minute(spent, config, 0.75, 256, 20) == pytest.approx(guessed)
    for _ in range(5):
        spent.add(0.3, on_windows=False)
    measured = 60 / (20 * (0.75 * 0.1 + 0.25 * 0.3))
    assert epochs_per_minute(spent, config, 0.75, 256, 20) == pytest.approx(measured)


def test_whole_images_cost_less_where_only_heads_learn() -> None:
    spent = TimeSpent()
    spent.add(0.1, on_windows=True)
    rates = [
        epochs_per_minute(
            spent,
            ExpertConfig(name="e", encoder="cnn", crop_size=64, crop_share=0.9, trunk_on_whole=t),
            0.9,
            256,
            20,
        )
        for t in (True, False)
    ]
    assert rates[0] < rates[1]


def test_a_training_cut_short_says_so_and_no_other_does() -> None:
    config = ExpertConfig(name="e", encoder="cnn", epochs=30)
    with pytest.warns(UlnaWarning, match=r"expert e: 5 of 30 epochs fitted into its 1\.5 minutes"):
        warn_if_cut(config, 5, 1.5)
    for epochs, minutes in ((15, 1.5), (30, 1.5), (5, 0.0)):  # warnings are errors here
        warn_if_cut(config, epochs, minutes)
