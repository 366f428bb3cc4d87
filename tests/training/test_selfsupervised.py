"""Learning without labels: labels cannot matter, a stop changes nothing, nothing collapses."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from lightning.fabric import Fabric
from safetensors.torch import load_file
from tests.training.tiny import make_recipe

from ulna.config.codec import from_json, read_json, to_json
from ulna.config.input_spec import InputSpec
from ulna.config.recipe import Augmentation, InitialWeights
from ulna.config.selfsupervision import SelfSupervision, self_supervision_of
from ulna.errors import ConfigError, DatasetError, TrainingError
from ulna.models.encoder import build_encoder
from ulna.models.initial import load_initial_weights
from ulna.types import BodyPart, ImageRef, Study

pytest.importorskip("lightly", reason="needs the extra ssl")

from ulna.training.folder import SELF_SUPERVISION
from ulna.training.selfsupervised import fit as fit_module
from ulna.training.selfsupervised.run import (
    leave_held_out,
    self_supervised_run,
    without_labels,
)
from ulna.training.selfsupervised.views import draw_views, match_cells


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _settings(**changes: object) -> SelfSupervision:
    values: dict[str, object] = {
        "name": "cnn",
        "encoder": "cnn",
        "input_spec": InputSpec(size=64),
        "crop_size": 32,
        "projection": 16,
        "epochs": 2,
        "batch_size": 12,
        "learning_rate": 2e-3,
        "precision": "32-true",
        "checkpoint_every": 2,
    }
    return SelfSupervision(**{**values, **changes})  # type: ignore[arg-type]


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "experts/cnn/weights.safetensors")


def _same(a: Path, b: Path) -> bool:
    first, second = _weights(a), _weights(b)
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def _permuted(studies: Sequence[Study]) -> list[Study]:
    """Every label is another study's: abnormal, categories, findings and body part."""
    lenders = [*studies[3:], *studies[:3]]
    return [
        replace(
            study,
            abnormal=lender.abnormal,
            categories=lender.categories,
            body_part=lender.body_part,
            images=tuple(replace(r, findings=lender.images[0].findings) for r in study.images),
        )
        for study, lender in zip(studies, lenders, strict=True)
    ]


def test_labels_never_matter(tmp_path: Path, tiny_studies: Sequence[Study]) -> None:
    bare = [
        Study(s.patient_id, s.study_id, None, tuple(ImageRef(r.path) for r in s.images))
        for s in tiny_studies
    ]
    runs = []
    for name, studies in (
        ("as is", tiny_studies),
        ("other", _permuted(tiny_studies)),
        ("no", bare),
    ):
        runs.append(self_supervised_run(_settings(), studies, tmp_path / name, "table"))
    assert _same(runs[0], runs[1])
    assert _same(runs[0], runs[2])
    (masks,) = (runs[0] / "cache").glob("*/masks.npy")
    assert not np.load(masks).any()
    fingerprints = {json.loads((run / "data.json").read_text())["sha256"] for run in runs}
    assert len(fingerprints) == 1


def _stop_at(step: int) -> Callable[[str, int, int], None]:
    def tell(stage: str, done: int, total: int) -> None:
        if stage.startswith("learn") and done == step:
            raise KeyboardInterrupt

    return tell


def _logged_losses(run: Path) -> list[str]:
    with (run / "experts/cnn/log.csv").open(newline="") as file:
        return [row["loss"] for row in csv.DictReader(file)]


def test_a_stop_changes_nothing(tmp_path: Path, tiny_studies: Sequence[Study]) -> None:
    """Stopped in the first epoch, where no checkpoint is, and after one in the second."""
    settings = _settings(epochs=3)
    whole = self_supervised_run(settings, tiny_studies, tmp_path / "whole", "table")
    for step in (1, 6):
        with pytest.raises(KeyboardInterrupt):
            self_supervised_run(
                settings, tiny_studies, tmp_path / "cut", "table", progress=_stop_at(step)
            )
    assert not (tmp_path / "cut/experts/cnn/weights.safetensors").exists()
    cut = self_supervised_run(settings, tiny_studies[::-1], tmp_path / "cut", "table")
    assert _same(whole, cut)
    assert not (cut / "experts/cnn/checkpoint.safetensors").exists()
    assert _logged_losses(whole) == _logged_losses(cut)


def test_a_folder_of_another_run_is_refused(tmp_path: Path, tiny_studies: Sequence[Study]) -> None:
    run = self_supervised_run(_settings(epochs=1), tiny_studies, tmp_path / "run", "table")
    assert read_json(SelfSupervision, run / SELF_SUPERVISION) == _settings(epochs=1)
    with pytest.raises(ConfigError, match="other settings"):
        self_supervised_run(_settings(seed=1, epochs=1), tiny_studies, run, "table")
    with pytest.raises(ConfigError, match="other data"):
        self_supervised_run(_settings(epochs=1), tiny_studies[1:], run, "table")


@pytest.mark.parametrize("shift", [0.0, 0.4])
@pytest.mark.parametrize("share", [2 / 7, 1.0])
def test_matched_cells_lie_in_both_crops(shift: float, share: float) -> None:
    images = np.random.default_rng(0).integers(0, 255, (48, 112, 112), np.uint8)
    changes = Augmentation(rotation=25, scale=0.2)
    settings = _settings(
        input_spec=InputSpec(size=112),
        crop_size=32 if share < 1 else 96,
        shift=shift,
        augmentation=changes,
    )
    for seed in range(8):
        views = draw_views(images, settings, np.random.default_rng(seed))
        for cells in (3, 4, 16):
            chosen, seen = match_cells(views.places, cells, cells)
            assert chosen.shape == (48, max(2, cells * cells // 4))
            assert seen.abs().max() <= 1, (seed, cells)


def test_matched_cells_show_the_same_place() -> None:
    """The image's grey level is its x (or y); crops show it where `match_cells` expects it."""
    ramp = np.tile(np.linspace(30, 220, 128).astype(np.uint8), (128, 1))
    images = np.stack([ramp, ramp.T] * 8)
    calm = Augmentation(
        rotation=25, scale=0.2, brightness=0, contrast=0, gamma=0, noise=0, invert=0
    )
    settings = _settings(
        input_spec=InputSpec(size=128), crop_size=64, augmentation=calm, blur=0.0, shift=0.3
    )
    views = draw_views(images, settings, np.random.default_rng(3))
    first, second = views.pixels.chunk(2)
    assert not torch.allclose(first, second, atol=0.05)
    chosen, seen = match_cells(views.places, 64, 64)
    here = first.flatten(1).gather(1, chosen)
    there = torch.nn.functional.grid_sample(second, seen[:, None], align_corners=False)[:, 0, 0]
    assert (here - there).abs().max() < 3 / 255


def test_views_are_a_function_of_the_seed() -> None:
    images = np.random.default_rng(0).integers(0, 255, (4, 64, 64), np.uint8)
    drawn = [draw_views(images, _settings(), np.random.default_rng(s)) for s in (1, 1, 2)]
    assert torch.equal(drawn[0].pixels, drawn[1].pixels)
    assert not torch.equal(drawn[0].pixels, drawn[2].pixels)


def _blobs(n: int, size: int) -> npt.NDArray[np.uint8]:
    """(n, size, size) images, each with a smooth pattern of its own."""
    coarse = torch.from_numpy(np.random.default_rng(0).normal(128, 60, (n, 1, 8, 8)))
    fine = torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic")
    return fine[:, 0].clamp(0, 255).to(torch.uint8).numpy()


def test_loss_falls_and_features_stay_apart(tmp_path: Path) -> None:
    settings = _settings(
        epochs=24,
        batch_size=32,
        learning_rate=5e-3,
        shift=0.2,
        augmentation=Augmentation(rotation=5, scale=0.05, contrast=0, gamma=0, invert=0, flip=0),
    )
    encoder = build_encoder("cnn", 64)
    fabric = Fabric(devices=1, accelerator="cpu")
    fit = fit_module.SelfSupervisedFit(fabric, settings, encoder, _blobs(32, 64), tmp_path)
    fit.fit()
    first, last = fit.state.history[0], fit.state.history[-1]
    for term in ("window_loss", "cell_loss"):
        assert last[term] < 0.85 * first[term], term
    assert last["feature_std"] > 0.1


def test_collapse_is_an_error(
    tmp_path: Path, tiny_studies: Sequence[Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit_module, "_COLLAPSED", 1e9)
    with pytest.raises(TrainingError, match="collapsed"):
        self_supervised_run(_settings(), tiny_studies, tmp_path / "run", "table")


@pytest.mark.parametrize("encoder", ["cnn", "test_resnet"])
def test_an_expert_starts_from_the_run(
    encoder: str, tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    size = InputSpec(size=96)
    settings = _settings(encoder=encoder, epochs=1, crop_size=96, input_spec=size)
    run = self_supervised_run(settings, tiny_studies, tmp_path / "run", "table")
    recipe = make_recipe()
    start = InitialWeights("run", str(run))
    config = replace(recipe.experts[0], encoder=encoder, initial=start)
    expert = load_initial_weights(config, recipe)
    given = _weights(run)
    own = {f"encoder.{k}": v for k, v in expert.encoder.state_dict().items()}
    assert given.keys() == own.keys()
    assert all(k.startswith("encoder.body.") for k in given)
    assert all(torch.equal(given[k], own[k]) for k in own)


def test_minutes_cut_the_steps(tmp_path: Path, tiny_studies: Sequence[Study]) -> None:
    settings = _settings(epochs=10_000, batch_size=2, minutes=0.01)
    run = self_supervised_run(settings, tiny_studies, tmp_path / "run", "table")
    state = json.loads((run / "experts/cnn" / fit_module.SUMMARY).read_text())
    assert 12 <= state["step"] == state["steps"] < 10_000


def test_each_image_once_and_held_out_ones_never(tiny_studies: Sequence[Study]) -> None:
    images = [r.path for s in tiny_studies for r in s.images]
    twice = without_labels([*tiny_studies, *_permuted(tiny_studies)])
    assert sorted(r.path for s in twice for r in s.images) == sorted(images)
    held = replace(tiny_studies[0], split="valid")
    listed_again = replace(tiny_studies[0], split="train", study_id="other")
    kept = leave_held_out([held, listed_again, *tiny_studies[1:]])
    assert kept == list(tiny_studies[1:])
    with pytest.raises(DatasetError, match="no radiographs"):
        without_labels([])


def test_settings_come_from_the_recipe_and_survive_json() -> None:
    recipe = make_recipe(seed=7)
    settings = self_supervision_of(recipe)
    assert (settings.seed, settings.input_spec, settings.crop_size) == (7, recipe.input_spec, 64)
    assert from_json(SelfSupervision, to_json(settings)) == settings
    with pytest.raises(ConfigError, match="expected one of cnn"):
        self_supervision_of(recipe, "resnet")


@pytest.mark.parametrize(
    "wrong",
    [
        {"crop_size": 33},
        {"crop_size": 96},
        {"shift": 0.6},
        {"blur": 2.0},
        {"batch_size": 1},
        {"minutes": -1.0},
        {"augmentation": Augmentation(rotation=90)},
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        _settings(**wrong)


def test_a_crop_of_few_cells_is_refused(tmp_path: Path, tiny_studies: Sequence[Study]) -> None:
    settings = _settings(encoder="test_resnet")
    with pytest.raises(ConfigError, match="larger crop_size"):
        self_supervised_run(settings, tiny_studies, tmp_path / "run", "table")


def test_no_body_part_is_needed(tmp_path: Path, tiny_studies: Sequence[Study]) -> None:
    mixed = [replace(s, body_part=[None, BodyPart.HAND][i % 2]) for i, s in enumerate(tiny_studies)]
    run = self_supervised_run(_settings(epochs=1), mixed, tmp_path / "run", "table")
    assert _weights(run)
