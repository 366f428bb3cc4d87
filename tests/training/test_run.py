"""A whole small run: what it leaves, that it learns, and that a kill changes nothing."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.training.tiny import make_recipe

from ulna.config.augmentation import Augmentation
from ulna.config.codec import read_json
from ulna.config.recipe import ExpertConfig, Recipe
from ulna.datasets import split_studies
from ulna.errors import ConfigError, DatasetError, TrainingError, UlnaWarning
from ulna.training import DataSource, train_run
from ulna.training.learner import Learner
from ulna.training.loop import ExpertFit
from ulna.types import Study

SCRIPT = Path(__file__).parent / "train_tiny.py"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _weights(run: Path, name: str = "cnn") -> dict[str, torch.Tensor]:
    return load_file(run / "experts" / name / "weights.safetensors")


def test_run_leaves_what_export_needs(tmp_path: Path, tiny_studies: Sequence[Study]) -> None:
    run = train_run(make_recipe(), tiny_studies, tmp_path / "run", DataSource("table"))
    split = json.loads((run / "split.json").read_text())
    assert sorted(k for side in split.values() for k in side) == sorted(s.key for s in tiny_studies)
    state = json.loads((run / "experts/cnn/state.json").read_text())
    assert state["done"] is True
    with (run / "experts/cnn/log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(r["epoch"]) for r in rows] == [0, 1, 2]
    assert not (run / "experts/cnn/checkpoint.safetensors").exists()
    assert json.loads((run / "data.json").read_text())["n_studies"] == len(tiny_studies)


def test_a_run_repeated_from_its_recipe_has_its_split(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    """The file names the fractions in another order, which dealt other studies to each part."""
    recipe = make_recipe()
    expert = replace(recipe.experts[0], epochs=1)
    recipe = replace(recipe, experts=(expert,), fractions={**recipe.fractions, "test": 0.0})
    first = train_run(recipe, tiny_studies, tmp_path / "first", DataSource("table"))
    read = read_json(Recipe, first / "recipe.json")
    assert list(read.fractions) != list(recipe.fractions)
    again = train_run(read, tiny_studies, tmp_path / "again", DataSource("table"))
    assert (first / "split.json").read_text() == (again / "split.json").read_text()


def test_training_learns_the_bright_spot(tmp_path: Path, tiny_studies: Sequence[Study]) -> None:
    expert = ExpertConfig(
        name="cnn", encoder="cnn", neck="attention", epochs=25, batch_size=8, learning_rate=3e-3
    )
    recipe = make_recipe(experts=(expert,), patience=0)
    run = train_run(recipe, tiny_studies, tmp_path / "run", DataSource("table"))
    history = json.loads((run / "experts/cnn/state.json").read_text())["history"]
    assert history[-1]["loss"] < 0.6 * history[0]["loss"]
    assert history[-1]["tune_auroc"] == 1.0


def test_same_seed_same_weights_other_seed_others(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    first = _weights(train_run(make_recipe(), tiny_studies, tmp_path / "a", DataSource("table")))
    again = _weights(train_run(make_recipe(), tiny_studies, tmp_path / "b", DataSource("table")))
    other = _weights(
        train_run(make_recipe(seed=1), tiny_studies, tmp_path / "c", DataSource("table"))
    )
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert any(not torch.equal(first[k], other[k]) for k in first)


def test_an_experts_own_augmentation_is_that_of_a_recipe_with_it(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    recipe, changes = make_recipe(), Augmentation(rotation=90, gamma=1.0)
    own = tuple(replace(e, augmentation=changes) for e in recipe.experts)
    runs = {
        "plain": recipe,
        "all": replace(recipe, augmentation=changes),
        "own": replace(recipe, experts=own),
    }
    plain, every, one = (
        _weights(train_run(r, tiny_studies, tmp_path / n, DataSource("table")))
        for n, r in runs.items()
    )
    assert all(torch.equal(every[k], one[k]) for k in one)
    assert any(not torch.equal(plain[k], one[k]) for k in one)


def test_frozen_encoder_does_not_move(tmp_path: Path, tiny_studies: Sequence[Study]) -> None:
    config = ExpertConfig(name="cnn", encoder="cnn", epochs=2, batch_size=4, frozen_epochs=2)
    untrained = replace(config, learning_rate=1e-30, weight_decay=0.0)
    moved = _weights(
        train_run(make_recipe(experts=(config,)), tiny_studies, tmp_path / "a", DataSource("table"))
    )
    still = _weights(
        train_run(
            make_recipe(experts=(untrained,)), tiny_studies, tmp_path / "b", DataSource("table")
        )
    )
    encoder = [k for k in moved if k.startswith("encoder.")]
    assert encoder
    assert all(torch.equal(moved[k], still[k]) for k in encoder)
    assert not torch.equal(moved["abnormal.weight"], still["abnormal.weight"])


def _train(images: Path, out: Path, kill_at: int | None = None) -> int:
    command = [sys.executable, "-W", "ignore", str(SCRIPT), str(images), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if kill_at is not None and int(line) == kill_at:
                process.send_signal(signal.SIGKILL)
        return process.wait()


def test_kill_and_resume_end_in_the_same_weights(tmp_path: Path) -> None:
    """kill -9 at two random steps; checkpoints lie at every second step and at epoch ends.

    The first falls into epochs in which all weights learn and have moments in the optimizer, the
    second into the last, on whole images.
    """
    images = tmp_path / "images"
    assert _train(images, tmp_path / "whole") == 0
    steps = json.loads((tmp_path / "whole/experts/cnn/state.json").read_text())["step"]
    rng = np.random.default_rng()
    first, second = rng.integers(steps // 4 + 1, steps * 3 // 4), rng.integers(steps - 4, steps)
    assert _train(images, tmp_path / "cut", int(first)) == -signal.SIGKILL, (first, second)
    assert not (tmp_path / "cut/experts/cnn/state.json").exists()
    assert _train(images, tmp_path / "cut", int(second)) == -signal.SIGKILL, (first, second)
    assert _train(images, tmp_path / "cut") == 0
    whole, cut = _weights(tmp_path / "whole"), _weights(tmp_path / "cut")
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[k], cut[k]) for k in whole), (first, second)


class _Killed(Exception):
    """Stands for a kill -9 at a place that a signal would seldom hit."""


@pytest.mark.parametrize("place", ["_score", "_finish"])
def test_a_kill_after_the_last_step_of_an_epoch_costs_no_row_and_no_weight(
    place: str, tmp_path: Path, tiny_studies: Sequence[Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scoring an epoch and fitting heads take minutes: a kill falls there too.

    The score falls, so patience 1 ends the run after two epochs of six; checkpoints at every step
    lie at the ends of epochs as well.
    """

    def falling(fit: ExpertFit) -> float:
        return 1 / (1 + fit.state.step)

    monkeypatch.setattr(ExpertFit, "_score", falling)
    config = replace(make_recipe().experts[0], epochs=6)
    recipe = make_recipe(experts=(config,), patience=1, checkpoint_every=1)
    whole = train_run(recipe, tiny_studies, tmp_path / "whole", DataSource("table"))
    inner, calls = getattr(ExpertFit, place), []

    def killed(fit: ExpertFit) -> object:
        calls.append(fit.state.step)
        if len(calls) == 1:
            raise _Killed
        return inner(fit)

    monkeypatch.setattr(ExpertFit, place, killed)
    with pytest.raises(_Killed):
        train_run(recipe, tiny_studies, tmp_path / "cut", DataSource("table"))
    cut = train_run(recipe, tiny_studies, tmp_path / "cut", DataSource("table"))
    one, other = (json.loads((r / "experts/cnn/state.json").read_text()) for r in (whole, cut))
    assert [r["epoch"] for r in one["history"]] == [0, 1]
    assert [(r["epoch"], r["loss"]) for r in other["history"]] == [
        (r["epoch"], r["loss"]) for r in one["history"]
    ]
    weights = _weights(whole), _weights(cut)
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])


def test_without_a_tune_score_nothing_stops_early_and_the_last_epoch_is_kept(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    """A tune part that is empty or of one class has no AUROC: patience has nothing to go by."""
    recipe = make_recipe(patience=1, fractions={"train": 0.6, "tune": 0.0, "calibration": 0.4})
    with pytest.warns(UlnaWarning, match="no tune score"):
        run = train_run(recipe, tiny_studies, tmp_path / "run", DataSource("table"))
    state = json.loads((run / "experts/cnn/state.json").read_text())
    assert len(state["history"]) == 3 and state["kept_epoch"] == 2


def test_only_heads_learn_on_whole_images_where_the_encoder_is_to_rest(
    tmp_path: Path, tiny_studies: Sequence[Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They start on the kept weights, and from whole images there is no way back to crops."""
    at_change: dict[str, torch.Tensor] = {}
    on_crops = []
    inner = ExpertFit._choose_crops

    def watched(fit: ExpertFit) -> None:
        inner(fit)
        on_crops.append(fit.cropped)
        if fit.state.whole_from == fit.state.step:
            at_change.update({k: v.clone() for k, v in fit.learner.expert.state_dict().items()})
            assert fit.average is not None
            for name, kept in fit.average.module.state_dict().items():
                torch.testing.assert_close(at_change[name], kept, rtol=0, atol=0)

    monkeypatch.setattr(ExpertFit, "_choose_crops", watched)
    config = replace(
        make_recipe().experts[0],
        epochs=5,
        crop_size=32,
        crop_share=0.6,
        train_encoder_on_whole=False,
    )
    run = train_run(
        make_recipe(experts=(config,), patience=0), tiny_studies, tmp_path, DataSource("table")
    )
    assert on_crops == [True, True, True, False, False]
    final = _weights(run)
    encoder = [k for k in final if k.startswith("encoder.")]
    assert all(torch.equal(final[k], at_change[k]) for k in encoder)
    assert not torch.equal(final["abnormal.weight"], at_change["abnormal.weight"])


def test_a_folder_of_another_run_is_refused(tmp_path: Path, tiny_studies: Sequence[Study]) -> None:
    run = train_run(make_recipe(), tiny_studies, tmp_path / "run", DataSource("table"))
    with pytest.raises(ConfigError, match="other settings"):
        train_run(make_recipe(seed=9), tiny_studies, run, DataSource("table"))
    with pytest.raises(ConfigError, match="other data"):
        train_run(make_recipe(), tiny_studies[:-1], run, DataSource("table"))


def test_data_that_cannot_teach_are_refused(tmp_path: Path, tiny_studies: Sequence[Study]) -> None:
    normal = [s for s in tiny_studies if not s.abnormal]
    with pytest.raises(DatasetError, match="expected normal and abnormal"):
        train_run(make_recipe(), normal, tmp_path / "a", DataSource("table"))
    held_out = [replace(s, split="valid") for s in tiny_studies]
    with pytest.raises(DatasetError, match="0 labelled training studies"):
        train_run(make_recipe(), held_out, tmp_path / "b", DataSource("table"))


@pytest.mark.parametrize(
    ("fault", "message"), [(torch.nan, "the loss became nan"), (1e38, "gradients are not finite")]
)
def test_loss_that_is_not_finite_stops_the_run(
    fault: float,
    message: str,
    tmp_path: Path,
    tiny_studies: Sequence[Study],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A loss of 1e38 is a number, and its gradients are none."""
    inner = Learner.forward
    monkeypatch.setattr(Learner, "forward", lambda self, batch: inner(self, batch) * fault)
    recipe = make_recipe(precision="32-true")
    with pytest.raises(TrainingError, match=f"{message}.*lower learning_rate"):
        train_run(recipe, tiny_studies, tmp_path / "run", DataSource("table"))


def test_unreadable_images_are_left_out_and_named(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    recipe, broken = make_recipe(), tmp_path / "broken.png"
    broken.write_bytes(b"")
    taught = split_studies(tiny_studies, recipe.fractions, recipe.seed)["train"][0]
    extra = replace(taught.images[0], path=broken)
    spoilt = [
        replace(s, images=(*s.images, extra)) if s.key == taught.key else s for s in tiny_studies
    ]
    with pytest.warns(UserWarning, match=r"broken\.png"):
        train_run(recipe, spoilt, tmp_path / "run", DataSource("table"))
