"""Planning epochs by the clock."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.training.tiny import make_recipe

from ulna.config.recipe import ExpertConfig, Recipe
from ulna.errors import ConfigError, UlnaWarning
from ulna.training import DataSource, train_run
from ulna.training.budget import TimeSpent, epochs_per_minute, minutes_of, warn_if_cut
from ulna.training.folder import minutes_spent
from ulna.training.loop import ExpertFit
from ulna.types import BodyPart, Study


def _recipe(minutes: float, **shares: float) -> Recipe:
    experts = tuple(ExpertConfig(name=n, encoder="cnn", time_share=s) for n, s in shares.items())
    return Recipe("r", experts, (BodyPart.WRIST,), minutes=minutes)


def test_what_an_expert_leaves_of_its_minutes_goes_to_those_after_it() -> None:
    """A fast machine once ended the demo at half of its time: the first expert had run out of
    epochs, and nobody took what it left."""
    recipe = _recipe(6.0, a=1.0, b=2.0, c=3.0)
    assert minutes_of("a", recipe, {}) == pytest.approx(1.0)
    full = {"a": 1.0, "b": 2.0}
    assert [minutes_of(n, recipe, full) for n in "abc"] == pytest.approx([1.0, 2.0, 3.0])
    quick = {"a": 0.5, "b": 0.2}
    given = [minutes_of(n, recipe, quick) for n in "abc"]
    assert given == pytest.approx([1.0, 5.5 * 2 / 5, 5.3])
    slow = {"a": 4.0, "b": 2.0}
    assert minutes_of("c", recipe, slow) == pytest.approx(3.0)
    assert minutes_of("c", _recipe(0.0, a=1.0, c=1.0), {"a": 4.0}) == 0


def test_minutes_spent_are_those_of_finished_experts(tmp_path: Path) -> None:
    recipe = _recipe(6.0, a=1.0, b=2.0)
    state = tmp_path / "experts" / "a" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text('{"spent": {"seconds": 90.0}}')
    assert minutes_spent(recipe, tmp_path) == {"a": 1.5}
    for damage in ('{"spent": {}}', "[]", "{"):
        state.write_text(damage)
        with pytest.raises(ConfigError, match="damaged"):
            minutes_spent(recipe, tmp_path)


def test_whole_images_only() -> None:
    spent = TimeSpent()
    for _ in range(10):
        spent.add(0.5, on_crops=False)
    config = ExpertConfig(name="e", encoder="cnn")
    assert epochs_per_minute(spent, config, 0.0, 224, 20) == pytest.approx(60 / (20 * 0.5))


def test_crops_and_whole_images_by_their_shares() -> None:
    config = ExpertConfig(name="e", encoder="cnn", crop_size=128, crop_share=0.75)
    spent = TimeSpent()
    for _ in range(10):
        spent.add(0.1, on_crops=True)
    guessed = 60 / (20 * (0.75 * 0.1 + 0.25 * 0.4))
    assert epochs_per_minute(spent, config, 0.75, 256, 20) == pytest.approx(guessed)
    for _ in range(5):
        spent.add(0.3, on_crops=False)
    measured = 60 / (20 * (0.75 * 0.1 + 0.25 * 0.3))
    assert epochs_per_minute(spent, config, 0.75, 256, 20) == pytest.approx(measured)


def test_whole_images_cost_less_where_only_heads_learn() -> None:
    spent = TimeSpent()
    spent.add(0.1, on_crops=True)
    rates = [
        epochs_per_minute(
            spent,
            ExpertConfig(
                name="e", encoder="cnn", crop_size=64, crop_share=0.9, train_encoder_on_whole=t
            ),
            0.9,
            256,
            20,
        )
        for t in (True, False)
    ]
    assert rates[0] < rates[1]


def test_a_training_cut_short_warns_and_no_other_does() -> None:
    config = ExpertConfig(name="e", encoder="cnn", epochs=30)
    with pytest.warns(UlnaWarning, match=r"expert e: 5 of 30 epochs fitted into its 1\.5 minutes"):
        warn_if_cut(config, 5, 1.5)
    for epochs, minutes in ((15, 1.5), (30, 1.5), (5, 0.0)):  # warnings are errors here
        warn_if_cut(config, epochs, minutes)


def test_the_second_expert_of_a_run_is_given_what_the_first_left(
    tmp_path: Path, tiny_studies: Sequence[Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, float] = {}
    fit = ExpertFit.fit

    def recorded(self: ExpertFit) -> None:
        given[self.config.name] = self.task.minutes
        fit(self)

    monkeypatch.setattr(ExpertFit, "fit", recorded)
    experts = tuple(
        ExpertConfig(name=n, encoder="cnn", epochs=1, batch_size=8) for n in ("first", "second")
    )
    recipe = make_recipe(experts=experts, minutes=60.0, patience=0)
    run = train_run(recipe, tiny_studies, tmp_path / "run", DataSource("table"))
    state = json.loads((run / "experts/first/state.json").read_text())
    assert given["first"] == 30.0
    assert given["second"] == pytest.approx(60.0 - state["spent"]["seconds"] / 60)
