"""What the tests of several processes let them do; a module, so that a child finds it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest.mock import patch

import torch
from lightning.fabric import Fabric

from ulna.config.recipe import Recipe
from ulna.training.cache import TrainingImages, build_cache
from ulna.training.cache_folder import Progress
from ulna.training.learner import Batch
from ulna.training.loop import ExpertFit
from ulna.training.ranks.group import Ranks
from ulna.training.state import FitInput
from ulna.types import Study


@dataclass(frozen=True)
class Task:
    """double: computes in double precision, in which sums in another order hardly differ."""

    recipe: Recipe
    out: Path
    double: bool


@dataclass(frozen=True)
class Tasks:
    studies: tuple[Study, ...]
    tasks: tuple[Task, ...]


def do_tasks(ranks: Ranks, given: Tasks, progress: Progress | None) -> None:
    """Train the first expert of each task's recipe; weights and log go to its folder."""
    torch.set_num_threads(1)
    for task in given.tasks:
        ranks.wait()
        folder = task.out / str(ranks.rank)
        folder.mkdir(parents=True)
        images = build_cache(given.studies, task.recipe, folder / "cache")
        if task.double:
            _fit_in_double(ranks, task, images)
        else:
            _fit_at_odds(ranks, task, images, folder)


def _given(ranks: Ranks, task: Task, images: TrainingImages, minutes: float) -> FitInput:
    train = images.of(images.keys)
    return FitInput(task.recipe, images, train, train[:0], task.out, minutes, None, ranks)


def _fit_in_double(ranks: Ranks, task: Task, images: TrainingImages) -> None:
    fabric = Fabric(devices=1, accelerator="cpu", precision="64-true")
    fit = ExpertFit(fabric, task.recipe.experts[0], _given(ranks, task, images, 0.0))
    forward = fit.learner.forward

    def doubled(batch: Batch) -> torch.Tensor:
        # The expert asks for single precision where mixed precision must not go.
        with patch.object(torch.Tensor, "float", torch.Tensor.double):
            return forward(batch)

    fit.learner.forward = doubled  # type: ignore[method-assign]
    fit.fit()


def _fit_at_odds(ranks: Ranks, task: Task, images: TrainingImages, folder: Path) -> None:
    """Clocks and scores differ between the processes; where each of them ended goes to `folder`."""
    fabric = Fabric(devices=1, accelerator="cpu", precision="32-true")
    with _own_clock(ranks.rank), _own_score(ranks.rank):
        fit = ExpertFit(fabric, task.recipe.experts[0], _given(ranks, task, images, 0.2))
        fit.fit()
    (folder / "state.json").write_text(json.dumps(asdict(fit.state)))


@contextmanager
def _own_clock(rank: int) -> Iterator[None]:
    now = time.monotonic
    with patch("ulna.training.loop.time.monotonic", lambda: now() * (1 + 9 * rank)):
        yield


@contextmanager
def _own_score(rank: int) -> Iterator[None]:
    """It falls in the first process and rises in the others."""
    sign = 1 if rank else -1
    with patch.object(ExpertFit, "_score", lambda fit: 1.0 + sign * fit.state.step / 1000):
        yield


class CannotGo:
    """Whatever is sent to another process must be read there."""

    def __reduce__(self) -> tuple[object, ...]:
        return _refuse, ()


def _refuse() -> None:
    raise SystemExit(3)
