"""Every arithmetic that 'auto' may pick somewhere is run here: torch computes each on any CPU.

On a processor with bfloat16 the first training step once failed, because only 'auto' of another
machine had ever been run.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tests.training.tiny import make_recipe

from ulna.config.recipe import ExpertConfig, Neck, Precision
from ulna.config.selfsupervision import self_supervision_of
from ulna.errors import ConfigError, TrainingError
from ulna.export import export_bundle
from ulna.models.expert import Expert
from ulna.training import DataSource, train_run
from ulna.training.arithmetic import start_fabric
from ulna.training.audit import AuditPlan
from ulna.training.audit.fit import Task, fit_classifier
from ulna.training.precision import best_precision
from ulna.training.selfsupervised.run import self_supervised_run
from ulna.types import Study

SCRIPT = Path(__file__).parent / "train_tiny.py"
PRECISIONS = tuple(p for p in get_args(Precision) if p != "auto")
HALF = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
ENCODERS = ("cnn", "resnet50", "densenet121", "vgg19", "tf_efficientnet_lite0")

# Of too few studies to calibrate on some.
FEW = {"train": 0.7, "tune": 0.3, "calibration": 0.0}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_the_list_is_whole() -> None:
    """An arithmetic that is added is run by these tests, or this one fails."""
    assert PRECISIONS == ("32-true", "bf16-mixed", "16-mixed")
    assert set(get_args(Neck)) == {"plain", "attention"}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_fabric_computes_in_the_requested_precision(precision: Precision) -> None:
    """Fabric alone replaces float16 by bfloat16 on a CPU, with a warning only."""
    fabric = start_fabric(precision)
    seen = []
    layer = torch.nn.Conv2d(1, 1, 1)
    layer.register_forward_hook(lambda _m, _i, out: seen.append(out.dtype))
    module = fabric.setup(layer)
    module(torch.zeros(1, 1, 4, 4, device=fabric.device))
    assert seen == [HALF.get(precision, torch.float32)]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_a_module_is_given_is_not_rounded(precision: Precision) -> None:
    """Places of crops, rounded to bfloat16, once ended learning without labels."""
    given = []
    module = torch.nn.Identity()
    module.register_forward_pre_hook(lambda _m, inputs: given.append(inputs[0].dtype))
    start_fabric(precision).setup(module)(torch.zeros(2))
    assert given == [torch.float32]


def test_auto_is_no_arithmetic() -> None:
    with pytest.raises(ConfigError, match="with_precision"):
        start_fabric("auto")


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("neck", get_args(Neck))
def test_both_necks_learn_in_every_arithmetic_and_export(
    neck: Neck,
    precision: Precision,
    tmp_path: Path,
    tiny_studies: Sequence[Study],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The exporter compares graph and torch expert, so it is shown an expert of each arithmetic."""
    dtypes = _watch_encoder(monkeypatch)
    config = ExpertConfig(
        "cnn",
        "cnn",
        neck,
        epochs=4,
        batch_size=4,
        learning_rate=3e-3,
        ema_decay=0.5,
        fit_heads=True,
    )
    recipe = make_recipe(experts=(config,), precision=precision, patience=0, fractions=FEW)
    run = train_run(recipe, tiny_studies[:16], tmp_path / "run", DataSource("table"))
    assert HALF.get(precision, torch.float32) in dtypes
    state = json.loads((run / "experts/cnn/state.json").read_text())
    assert state["history"][-1]["loss"] < state["history"][0]["loss"]
    assert state["precision"] == json.loads((run / "recipe.json").read_text())["precision"]
    assert state["precision"] == precision
    weights = load_file(run / "experts/cnn/weights.safetensors")
    floats = {v.dtype for v in weights.values() if v.is_floating_point()}
    assert floats == {torch.float32} and all(torch.isfinite(v).all() for v in weights.values())
    bundle = export_bundle(run, tmp_path / "bundle")
    assert bundle.manifest.recipe.precision == precision
    assert bundle.manifest.metrics["parity_max_error"] < 1e-3


def _watch_encoder(monkeypatch: pytest.MonkeyPatch) -> set[torch.dtype]:
    """The types of the encoder's grids, as they come."""
    seen: set[torch.dtype] = set()
    inner = Expert.forward

    def watched(expert: Expert, x: torch.Tensor) -> object:
        seen.add(expert.encoder.forward_stages(x[:1])[-1].dtype)
        return inner(expert, x)

    monkeypatch.setattr(Expert, "forward", watched)
    return seen


@pytest.mark.long
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_named_encoder_trains_in_every_arithmetic_and_one_is_exported(
    precision: Precision, tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    necks = ("attention", "plain", "attention", "plain", "attention")
    experts = tuple(
        ExpertConfig(e, e, neck, epochs=1, batch_size=6)
        for e, neck in zip(ENCODERS, necks, strict=True)
    )
    spec = replace(make_recipe().input_spec, size=32)
    recipe = make_recipe(experts=experts, precision=precision, input_spec=spec, fractions=FEW)
    run = train_run(recipe, tiny_studies[:12], tmp_path / "run", DataSource("table"))
    for name in ENCODERS:
        weights = load_file(run / "experts" / name / "weights.safetensors")
        assert all(torch.isfinite(v.float()).all() for v in weights.values())
    if precision == "bf16-mixed":  # graphs are in single precision whatever the weights learned in
        bundle = export_bundle(run, tmp_path / "bundle")
        assert [e.encoder for e in bundle.manifest.experts] == list(ENCODERS)


def _train(images: Path, out: Path, precision: str, kill_at: int | None = None) -> int:
    command = [sys.executable, "-W", "ignore", str(SCRIPT), str(images), str(out)]
    environment = {**os.environ, "ULNA_PRECISION": precision}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if kill_at is not None and int(line) == kill_at:
                process.send_signal(signal.SIGKILL)
        return process.wait()


@pytest.mark.long
@pytest.mark.parametrize("precision", PRECISIONS)
def test_kill_and_resume_end_in_the_same_weights_in_every_arithmetic(
    precision: str, tmp_path: Path
) -> None:
    """Resumed where 'auto' means another arithmetic, the run keeps the one that it began with."""
    images, other = tmp_path / "images", PRECISIONS[PRECISIONS.index(precision) - 1]
    assert _train(images, tmp_path / "whole", precision) == 0
    assert _train(images, tmp_path / "cut", precision, kill_at=7) == -signal.SIGKILL
    checkpoint = tmp_path / "cut/experts/cnn/checkpoint.safetensors"
    with safe_open(checkpoint, "pt") as file:
        scale = json.loads(file.metadata()["meta"])["scale"]
    assert bool(scale) == (precision == "16-mixed")
    assert _train(images, tmp_path / "cut", other) == 0
    whole, cut = (
        load_file(tmp_path / name / "experts/cnn/weights.safetensors") for name in ("whole", "cut")
    )
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[k], cut[k]) for k in whole)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_learning_without_labels_in_every_arithmetic(
    precision: Precision, tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    recipe = make_recipe(precision=precision)
    settings = replace(
        self_supervision_of(recipe), crop_size=32, epochs=2, batch_size=6, projection=16
    )
    run = self_supervised_run(settings, tiny_studies, tmp_path / "run", "table")
    summary = json.loads((run / "experts/cnn/selfsupervision.json").read_text())
    assert summary["done"] is True and summary["precision"] == precision
    weights = load_file(run / "experts/cnn/weights.safetensors")
    assert all(torch.isfinite(v.float()).all() for v in weights.values())


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_audit_fits_alike_in_every_arithmetic(precision: Precision) -> None:
    """Its probabilities are those of single precision, within what two epochs make of rounding."""
    rng = np.random.default_rng(0)
    target = np.arange(24) % 2
    pixels = (rng.normal(60, 10, (24, 32, 32)) + 90 * target[:, None, None]).clip(0, 255)
    task = Task(pixels.astype(np.uint8), target, 2, np.arange(16), np.arange(16, 24))
    plan = AuditPlan("cnn", epochs=2, size=32, learning_rate=1e-3, precision=precision)
    answers = fit_classifier(task, plan.fit_settings, lambda *_: None)
    assert answers.sum(2) == pytest.approx(1, abs=1e-5)
    single = replace(plan, precision="32-true")
    reference = fit_classifier(task, single.fit_settings, lambda *_: None)
    assert np.abs(answers - reference).max() < 0.1
    assert np.abs(reference[1] - reference[0]).max() > 1e-4  # it has learned something


def test_a_scale_that_falls_to_nothing_ends_the_run(
    tmp_path: Path, tiny_studies: Sequence[Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradients that never fit into float16 must not look like training that does nothing."""
    monkeypatch.setattr(
        torch.amp.GradScaler, "get_scale", lambda self: float(self._get_scale_async() or 1) * 1e-9
    )
    recipe = make_recipe(precision="16-mixed")
    with pytest.raises(TrainingError, match="use precision 32-true"):
        train_run(recipe, tiny_studies, tmp_path / "run", DataSource("table"))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_environment_decides_what_auto_means(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ULNA_PRECISION", precision)
    assert best_precision() == precision


def test_another_word_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for word in ("bf16", "auto", "32"):
        monkeypatch.setenv("ULNA_PRECISION", word)
        with pytest.raises(ConfigError, match="expected one of 32-true, bf16-mixed, 16-mixed"):
            best_precision()
