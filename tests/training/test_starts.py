"""Initial weights are checked before any expert trains, and can be corrected without loss."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.training.tiny import make_recipe

from ulna.calibration.calibrate import MIN_POOLED
from ulna.config.codec import read_json
from ulna.config.recipe import ExpertConfig, InitialWeights, Recipe
from ulna.errors import ConfigError, DatasetError, TrainingError, UlnaWarning, WeightsError
from ulna.experiments.crossval_settings import CrossvalSettings
from ulna.experiments.crossval_steps import CrossvalFolder
from ulna.models.encoder import build_encoder
from ulna.training import DataSource, train_run
from ulna.training.loop import ExpertFit
from ulna.training.parts import LEAST_CALIBRATION
from ulna.types import Study


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _start(path: Path, seed: int = 0) -> InitialWeights:
    """A file with weights of the encoder `cnn`."""
    torch.manual_seed(seed)
    save_file(build_encoder("cnn", 64).body.state_dict(), path)
    return InitialWeights("file", str(path))


def _recipe(*starts: InitialWeights) -> Recipe:
    """An expert of one epoch for each start: 'one', 'two'."""
    names = ("one", "two", "three")
    experts = [
        ExpertConfig(name, "cnn", initial=start, epochs=1, batch_size=4)
        for name, start in zip(names, starts, strict=False)
    ]
    return make_recipe(experts=tuple(experts), patience=0)


def _train(recipe: Recipe, studies: Sequence[Study], out: Path) -> Path:
    return train_run(recipe, studies, out, DataSource("table"))


def _spoilt(path: Path, how: str) -> InitialWeights:
    start = _start(path)
    if how == "run":
        path.with_suffix("").mkdir()
        return InitialWeights("run", str(path.with_suffix("")))
    if how == "damaged":
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "text":
        path.write_text("<html>")
    else:
        state = load_file(path)
        state.pop("stage1.0.0.weight")
        save_file(state, path)
    return start


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("damaged", "not readable as weights"),
        ("text", "begins with '<html>'"),
        ("other", "missing or of another shape: stage1.0.0.weight"),
        ("run", "no such file: expected weights of expert 'two'"),
    ],
)
def test_a_start_that_cannot_be_used_is_told_before_the_first_expert_trains(
    how: str, message: str, tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    """It was found when the second expert's turn came, after the hours of the first."""
    recipe = _recipe(InitialWeights(), _spoilt(tmp_path / "w.safetensors", how))
    with pytest.raises(WeightsError) as caught:
        _train(recipe, tiny_studies, tmp_path / "run")
    assert message in str(caught.value)
    assert not (tmp_path / "run").exists()


def _run_of_an_earlier_version(
    recipe: Recipe, studies: Sequence[Study], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose second expert's initial weights were checked only before its training."""
    with monkeypatch.context() as patch, pytest.raises(WeightsError):
        patch.setattr("ulna.training.run.check_experts", lambda *_: None)
        _train(recipe, studies, out)
    assert (out / "experts/one/state.json").is_file()


def test_a_corrected_file_costs_the_finished_experts_nothing(
    tmp_path: Path, tiny_studies: Sequence[Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, good = tmp_path / "run", _start(tmp_path / "good.safetensors")
    bad = _spoilt(tmp_path / "bad.safetensors", "text")
    _run_of_an_earlier_version(_recipe(good, bad), tiny_studies, out, monkeypatch)
    kept = out / "experts/one/weights.safetensors"
    before = kept.stat().st_mtime_ns
    Path(good.path).unlink()  # a finished expert needs its start no more
    better = _start(tmp_path / "better.safetensors", 1)
    _train(_recipe(good, better), tiny_studies, out)
    assert kept.stat().st_mtime_ns == before
    whole = _train(_recipe(InitialWeights(), better), tiny_studies, tmp_path / "whole")
    first, second = (load_file(r / "experts/two/weights.safetensors") for r in (out, whole))
    assert all(torch.equal(first[n], second[n]) for n in first)
    recorded = read_json(Recipe, out / "recipe.json")
    assert [e.initial for e in recorded.experts] == [good, better]


def test_a_finished_expert_keeps_its_start_with_a_warning(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    out = _train(_recipe(InitialWeights()), tiny_studies, tmp_path / "run")
    kept = out / "experts/one/weights.safetensors"
    before = kept.read_bytes()
    other = _start(tmp_path / "w.safetensors")
    with pytest.warns(UlnaWarning, match=r"one is finished and keeps its start, random; .*file:"):
        _train(_recipe(other), tiny_studies, out)
    assert kept.read_bytes() == before
    assert read_json(Recipe, out / "recipe.json").experts[0].initial == InitialWeights()
    changed = replace(_recipe(other), seed=5)
    with pytest.raises(ConfigError, match="other settings"), pytest.warns(UlnaWarning):
        _train(changed, tiny_studies, out)


class _Killed(Exception):
    """Stands for a kill -9."""


def test_an_expert_under_way_goes_on_without_its_start_and_takes_no_other(
    tmp_path: Path, tiny_studies: Sequence[Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    start, out = _start(tmp_path / "w.safetensors"), tmp_path / "run"
    recipe = _recipe(start)
    whole = _train(recipe, tiny_studies, tmp_path / "whole")

    def killed(_: ExpertFit) -> None:
        raise _Killed

    with monkeypatch.context() as patch, pytest.raises(_Killed):
        patch.setattr(ExpertFit, "_score", killed)
        _train(replace(recipe, checkpoint_every=1), tiny_studies, out)
    Path(start.path).unlink()
    other = replace(_recipe(_start(tmp_path / "other.safetensors", 2)), checkpoint_every=1)
    with pytest.raises(
        ConfigError, match=r"one is being trained from file:.*w\.safetensors.*delete"
    ):
        _train(other, tiny_studies, out)
    _train(replace(recipe, checkpoint_every=1), tiny_studies, out)
    first, second = (load_file(r / "experts/one/weights.safetensors") for r in (out, whole))
    assert all(torch.equal(first[n], second[n]) for n in first)


def _folds(out: Path, *starts: InitialWeights) -> CrossvalFolder:
    recipe = replace(_recipe(*starts), precision="32-true")
    return CrossvalFolder.open(out, CrossvalSettings("table.csv", recipe, 3, 0), None)


@pytest.mark.parametrize("made", ["experts/one/state.json", "experts/one/checkpoint.safetensors"])
def test_a_cross_validation_takes_another_start_until_a_fold_has_begun_it(
    made: str, tmp_path: Path
) -> None:
    """One start for all folds: experts of two starts would be scored as one."""
    out, random, file = tmp_path / "cv", InitialWeights(), InitialWeights("file", "w.pth")
    _folds(out, random, random)
    _folds(out, file, random)
    begun = out / "fold1" / made
    begun.parent.mkdir(parents=True)
    begun.touch()
    again = _folds(out, file, file)
    assert [e.initial for e in again.settings.recipe.experts] == [file, file]
    recorded = json.loads((out / "crossval.json").read_text())["recipe"]["experts"]
    assert [e["initial"]["kind"] for e in recorded] == ["file", "file"]
    with pytest.raises(
        ConfigError, match="expert one started from file:w.pth in fold 1.*random now"
    ):
        _folds(out, random, file)
    (out / "fold2" / "bundle").mkdir(parents=True)
    with pytest.raises(ConfigError, match="expert two started from file:w.pth in fold 2"):
        _folds(out, file, random)
    with pytest.raises(ConfigError, match="other settings"):
        _folds(out, file)


# -- the parts of the split -----------------------------------------------------------------


def test_parts_too_small_are_told_before_the_first_expert_trains(
    tmp_path: Path, tiny_studies: Sequence[Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a small calibration part one heard from `ulna calibrate`, when all had been trained."""

    def trained(_: ExpertFit) -> None:
        raise _Killed

    monkeypatch.setattr(ExpertFit, "fit", trained)
    assert LEAST_CALIBRATION == MIN_POOLED
    recipe = replace(
        _recipe(InitialWeights()),
        patience=1,
        fractions={"train": 0.8, "tune": 0.0, "calibration": 0.2},
    )
    with (
        pytest.raises(_Killed),
        pytest.warns(UlnaWarning, match="no tune score"),
        pytest.warns(UlnaWarning, match="3 normal and 2 abnormal studies: `ulna calibrate` needs"),
    ):
        _train(recipe, tiny_studies, tmp_path / "run")


def test_a_second_experts_batch_over_many_devices_is_told_at_once(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    from ulna.training.cache import build_cache
    from ulna.training.parts import check_parts

    recipe = _recipe(InitialWeights(), InitialWeights())
    images = build_cache(tiny_studies, recipe, tmp_path)
    every = images.of(images.keys)
    second = replace(recipe.experts[1], batch_size=2)
    recipe = replace(recipe, experts=(recipe.experts[0], second))
    check_parts(recipe, images, every, 2)
    with pytest.raises(TrainingError, match="expert two: 36 training images, batch 2 over 4 devi"):
        check_parts(recipe, images, every, 4)
    for value, word in ((0, "normal"), (1, "abnormal")):
        alike = every[images.abnormal[every] == value]
        with pytest.raises(DatasetError, match=f"images are all {word}: expected both"):
            check_parts(recipe, images, alike, 1)
