"""Learning rates and freezing."""

from __future__ import annotations

import pytest

from ulna.config.recipe import ExpertConfig
from ulna.training.schedule import first_free_stage, learning_rate_factor, stage_rates


def test_rate_rises_then_falls_and_never_vanishes() -> None:
    rates = [learning_rate_factor(s, 100) for s in range(100)]
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) in (9, 10)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0.01 <= rates[-1] < 0.02


def test_stages_are_freed_from_the_top() -> None:
    config = ExpertConfig(name="e", encoder="cnn", frozen_epochs=2, unfreeze_every=1)
    assert [first_free_stage(config, e, 5) for e in range(8)] == [4, 4, 3, 2, 1, 0, 0, 0]
    at_once = ExpertConfig(name="e", encoder="cnn", frozen_epochs=1)
    assert [first_free_stage(at_once, e, 5) for e in range(3)] == [4, 0, 0]


def test_lower_stages_learn_more_slowly() -> None:
    config = ExpertConfig(name="e", encoder="cnn", learning_rate=1.0, layer_decay=0.5)
    assert stage_rates(config, 3) == [0.25, 0.5, 1.0]
