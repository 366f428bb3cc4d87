"""Two processes on the CPU (gloo): they end in what one process ends in, and they end together."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file
from tests.training.ranks_tiny import CannotGo, Task, Tasks, do_tasks
from tests.training.tiny import make_recipe

from ulna.config.codec import write_json
from ulna.config.recipe import LossWeights, Recipe
from ulna.datasets import index_data
from ulna.errors import TrainingError
from ulna.models.initial import load_initial_weights
from ulna.training import DataSource, train_run
from ulna.training.cache import build_cache
from ulna.training.ranks.launch import run_together
from ulna.types import Study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
# Of the answers, in log odds: single precision adds the two halves of a batch in another order,
# and AdamW makes whole steps of what is left where a gradient is nothing but rounding.
TOLERANCE = 0.02
# Their batch normalisations are torch's and timm's own.
ENCODERS = ("cnn", "test_efficientnet")


def _recipe(encoder: str = "cnn", **changes: object) -> Recipe:
    """Crops, searches, frozen stages, dropout, masks, and batches of 5 that two cannot halve."""
    config = replace(
        make_recipe().experts[0],
        encoder=encoder,
        epochs=6,
        batch_size=5,
        crop_size=32,
        crop_share=0.6,
        hard_negatives_every=1,
    )
    config = replace(config, **changes)  # type: ignore[arg-type]
    loss = LossWeights(map=0.3, attention=0.3, other_parts=0.2)
    return make_recipe(experts=(config,), loss=loss, precision="32-true")


@pytest.mark.filterwarnings("ignore:expert cnn")  # its minutes are few
def test_weights_and_decisions_are_those_of_one_process(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    """In double precision weights are the same; clocks and scores that differ decide nothing.

    The two hung: one had ended by its own score, or planned other epochs by its own clock.
    """
    doubles = [_double(tmp_path, encoder) for encoder in ENCODERS]
    run_together(1, do_tasks, Tasks(tuple(tiny_studies), tuple(doubles)), None)
    for task in doubles:
        (task.out / "weights.safetensors").rename(task.out.with_suffix(".alone"))
    # Falls in the first process from the first epoch on, so that patience ends it after three.
    odds = replace(_recipe(epochs=12, frozen_epochs=0), patience=2)
    tasks = (*(replace(d, out=d.out / "two") for d in doubles), Task(odds, tmp_path, False))
    run_together(2, do_tasks, Tasks(tuple(tiny_studies), tasks), None)
    for task in doubles:
        alone = load_file(task.out.with_suffix(".alone"))
        together = load_file(task.out / "two/weights.safetensors")
        assert alone.keys() == together.keys()
        for name, weight in alone.items():
            torch.testing.assert_close(together[name], weight, rtol=1e-7, atol=1e-7, msg=name)
    first, second = (json.loads((tmp_path / f"{r}/state.json").read_text()) for r in (0, 1))
    for key in ("step", "epochs", "whole_from", "best_epoch"):
        assert first[key] == second[key], key
    scores = [[row["tune_auroc"] for row in state["history"]] for state in (first, second)]
    assert scores[0] == scores[1] and first["best_epoch"] == 0 and len(scores[0]) <= 3


def _double(out: Path, encoder: str) -> Task:
    recipe = replace(_recipe(encoder, epochs=3, hard_negatives_every=0), patience=0)
    return Task(recipe, out / encoder, True)


def test_a_process_that_cannot_start_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"process 1 of 2 could not start \(exit code 3\)"):
        run_together(2, do_tasks, CannotGo(), None)  # type: ignore[arg-type]
    assert not torch.distributed.is_initialized()


# -- the command line ---------------------------------------------------------------------------


COLUMNS = ["path", "patient_id", "study_id", "body_part", "abnormal", "findings", "boxes"]


class Work:
    """A table, a recipe, and the command that trains on them."""

    def __init__(self, folder: Path, studies: Sequence[Study]) -> None:
        self.folder, self.studies, self.recipe = folder, studies, _recipe()
        write_json(self.recipe, folder / "tiny.json")
        with (folder / "table.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(
                ["path", "patient_id", "study_id", "body_part", "abnormal", "findings", "boxes"]
            )
            for s in studies:
                for ref in s.images:
                    boxes = json.dumps([f.box for f in ref.findings])
                    result = "fracture" if s.abnormal else ""
                    key = [s.patient_id, f"{s.patient_id}s"]
                    row = [ref.path, *key, s.body_part, int(bool(s.abnormal))]
                    table.writerow([*row, result, boxes])

    def command(self, out: str, *more: object, by: Sequence[str] = ("-m", "ulna")) -> list[str]:
        table, recipe = self.folder / "table.csv", self.folder / "tiny.json"
        message = ["train", table, "--recipe", recipe, "--out", self.folder / out, *more]
        return [sys.executable, *by, *map(str, message)]

    def expert(self, out: str) -> Path:
        return self.folder / out / "experts/cnn"

    def train(self, out: str, devices: int) -> None:
        """Train to the end, from this process."""
        data, run = self.folder / "table.csv", self.folder / out
        source = DataSource("table", self.folder.name)
        train_run(self.recipe, index_data(data), run, source, devices)

    @contextmanager
    def started(self, out: str, *more: object) -> Iterator[subprocess.Popen[str]]:
        """The training once it trains and has a checkpoint."""
        command = self.command(out, *more)
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            while "train cnn" not in process.stderr.readline():
                assert process.poll() is None
            _wait_for((self.expert(out) / "checkpoint.safetensors").is_file)
            yield process


def _wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(20_000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("not in 200 s")


def _files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def _same(one: Path, other: Path) -> bool:
    a, b = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, tiny_studies: Sequence[Study]) -> Work:
    return Work(tmp_path_factory.mktemp("ranks"), tiny_studies)


@pytest.fixture(scope="module")
def both(work: Work) -> Path:
    """The expert of an undisturbed training by two processes."""
    work.train("both", 2)
    return work.expert("both")


def test_two_processes_leave_what_one_leaves(work: Work, both: Path) -> None:
    work.train("alone", 1)
    assert _files(work.folder / "both") == _files(work.folder / "alone")
    alone = work.expert("alone")
    states = [json.loads((expert / "state.json").read_text()) for expert in (both, alone)]
    for key in ("step", "epochs", "whole_from", "best_epoch", "kept_epoch"):
        assert states[0][key] == states[1][key], key
    losses = [[row["loss"] for row in state["history"]] for state in states]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-2)
    np.testing.assert_allclose(_answers(work, both), _answers(work, alone), atol=TOLERANCE)


@torch.inference_mode()
def _answers(work: Work, folder: Path) -> torch.Tensor:
    images = build_cache(work.studies, work.recipe, work.folder / "cache").images
    expert = load_initial_weights(work.recipe.experts[0], work.recipe).eval()
    expert.load_state_dict(load_file(folder / "weights.safetensors"))
    answer: torch.Tensor = expert(torch.from_numpy(images / np.float32(127.5) - 2)[:, None])
    return answer.abnormal_BP


def _training_child(process: subprocess.Popen[str]) -> psutil.Process:
    """The one that computes: a second child watches over the memory that processes share."""
    children = psutil.Process(process.pid).children()
    (result,) = [c for c in children if "spawn_main" in " ".join(c.cmdline())]
    return result


def _gone(processes: Sequence[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


def test_a_killed_process_ends_all_and_resume_ends_in_the_same_weights(
    work: Work, both: Path
) -> None:
    """First the child is killed; of what goes on from there, the one that started it.

    What is left is trained to the end by processes that torchrun starts.
    """
    for first in (False, True):
        with work.started("cut", "--devices", 2, *["--resume"] * first) as process:
            others = psutil.Process(process.pid).children()
            os.kill(process.pid if first else _training_child(process).pid, signal.SIGKILL)
            assert process.stderr is not None
            message = process.stderr.read()
            process.wait(60)
        assert process.returncode == (-signal.SIGKILL if first else TrainingError.exit_code)
        assert f"one of the 2 processes of this training, number {0 if first else 1}" in message
        assert "--resume" in message and "Traceback" not in message
        _wait_for(lambda others=others: _gone(others))  # type: ignore[misc]
        assert not (work.expert("cut") / "weights.safetensors").exists()
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "ulna")
    command = work.command("cut", "--resume", by=launcher)
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("train cnn: ") == len(set(done.stderr.split("train cnn: ")[1:]))
    assert done.stdout.count("next, ulna export") == 1
    assert _same(work.expert("cut"), both)
    assert _files(work.folder / "cut") == _files(work.folder / "both")


@pytest.mark.long
@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_two_processes_in_half_precision_lose_what_one_loses(
    precision: str, tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    """Halves of gradients are added before they are unscaled and clipped."""
    losses = []
    for devices in (1, 2):
        recipe = replace(_recipe(epochs=3, hard_negatives_every=0), precision=precision)  # type: ignore[arg-type]
        out = tmp_path / str(devices)
        run = train_run(recipe, tiny_studies, out, DataSource("table"), devices=devices)
        state = json.loads((run / "experts/cnn/state.json").read_text())
        assert state["precision"] == precision
        losses.append([row["loss"] for row in state["history"]])
        weights = load_file(run / "experts/cnn/weights.safetensors")
        assert all(torch.isfinite(v.float()).all() for v in weights.values())
    one, two = np.array(losses)
    assert np.abs(two / one - 1).max() < 0.05
