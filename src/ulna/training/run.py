"""A training run: split, cache, then each expert in turn; a repeated call resumes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from lightning.fabric import Fabric

from ulna.bundle import DataFingerprint
from ulna.config.codec import write_json
from ulna.config.recipe import Recipe
from ulna.datasets import split_studies
from ulna.datasets.labelled import labelled
from ulna.datasets.meaning import check_label_meaning
from ulna.errors import ConfigError, DatasetError
from ulna.json_text import parse_json
from ulna.models.check import check_experts
from ulna.models.threads import limit_torch_threads
from ulna.training.arithmetic import start_fabric
from ulna.training.budget import minutes_of
from ulna.training.cache import TrainingImages, build_cache
from ulna.training.cache_folder import Progress
from ulna.training.fingerprint import fingerprint_studies
from ulna.training.folder import (
    FINISHED,
    RECIPE,
    begin,
    begun_experts,
    expert_folder,
    minutes_spent,
    with_recorded_starts,
)
from ulna.training.leakage import warn_of_leakage
from ulna.training.loop import ExpertFit
from ulna.training.parts import check_parts, warn_of_small_parts
from ulna.training.precision import with_precision
from ulna.training.ranks.group import Ranks
from ulna.training.ranks.launch import run_together
from ulna.training.source import DataSource
from ulna.training.state import FitInput
from ulna.training.teacher.answers import read_answers
from ulna.types import Study

_HELD_OUT = ("valid", "test")
SPLIT = "split.json"
# In the order of recipes in Python: the split depends on it, and JSON sorts the names.
_PARTS = ("train", "tune", "calibration", "test")


def train_run(
    recipe: Recipe,
    studies: Sequence[Study],
    out: Path,
    source: DataSource,
    devices: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Train every expert of `recipe` on the training side of `studies` into the folder `out`.

    Studies whose split is 'valid' or 'test' are left out. The rest are split by patient into the
    recipe's fractions, and those of unknown body part train the heads of all parts. Encoders,
    initial weights and sizes of the parts are checked before the first expert trains. An unfinished
    run in `out` is resumed when recipe and data are the same; experts that have not begun may have
    other initial weights than before, the others keep theirs. devices: processes that share every
    batch, one for each GPU or all on the CPU; under torchrun its processes are used. A script that
    uses several devices must call this below `if __name__ == "__main__":`. Returns `out`.

    Raises ConfigError for a folder of another recipe and for a recipe with distillation without
    `source.teaching`, DatasetError for unusable data (nothing labelled, one class only),
    TrainingError, WeightsError. Warns where a part is too small for its purpose, or where initial
    weights have learned from it.
    """
    _check_teaching(recipe, source)
    recipe = with_recorded_starts(with_precision(recipe, out / RECIPE), out)
    check_experts(recipe, begun_experts(recipe, out))
    task = _RunTask(recipe, tuple(_training_side(studies, recipe)), out, source)
    limit_torch_threads()
    run_together(devices, _train, task, progress)
    return out


class Begun(NamedTuple):
    """A run that was begun: its recipe with the precision resolved, and its studies.

    side: all that it splits. parts: train, tune, calibration and perhaps test.
    """

    recipe: Recipe
    side: list[Study]
    parts: dict[str, list[Study]]


def begin_run(
    recipe: Recipe,
    studies: Sequence[Study],
    out: Path,
    source: DataSource,
    split: Mapping[str, Sequence[str]] | None = None,
) -> Begun:
    """Begin the run `out` without training, with the checks of `train_run`.

    For callers that must know the training studies before the training, as for the answers of a
    teacher. split: study keys by part, for a new run with the split of another one; if None, the
    recipe's fractions decide. Raises as `train_run`.
    """
    recipe = with_recorded_starts(with_precision(recipe, out / RECIPE), out)
    check_experts(recipe, begun_experts(recipe, out))
    side = _training_side(studies, recipe)
    data = fingerprint_studies(side, source.kind, source.name, recipe.abnormal_means)
    if split is not None and not (out / RECIPE).is_file():
        out.mkdir(parents=True, exist_ok=True)
        write_json({name: sorted(keys) for name, keys in split.items()}, out / SPLIT)
        begin(recipe, data, out)
    _open_run(recipe, data, side, out)
    parts: dict[str, list[str]] = parse_json((out / SPLIT).read_text("utf-8"))
    by_key = {s.key: s for s in side}
    dealt = {n: [by_key[k] for k in keys if k in by_key] for n, keys in parts.items()}
    return Begun(recipe, side, dealt)


def _check_teaching(recipe: Recipe, source: DataSource) -> None:
    distilled = recipe.distillation.requested
    if distilled != (source.teaching is not None):
        raise ConfigError(
            f"recipe {recipe.name}: its distillation has "
            f"{'weights above 0' if distilled else 'no weight'}, and the run has "
            f"{'a' if source.teaching else 'no'} teacher: expected a student's recipe with `ulna "
            "distil` and any other with `ulna train`"
        )


@dataclass(frozen=True)
class _RunTask:
    """Input of every process of a run. side: the studies that the run splits."""

    recipe: Recipe
    side: tuple[Study, ...]
    out: Path
    source: DataSource


def _train(ranks: Ranks, task: _RunTask, progress: Progress | None) -> None:
    """Train all experts in one of the processes of a run."""
    side, out, source = task.side, task.out, task.source
    # Machines that differ would each have resolved it differently.
    precision = ranks.decide(lambda: task.recipe.precision)
    recipe = replace(task.recipe, precision=precision)
    fabric = _fabric(recipe, ranks)
    if ranks.first:
        means = recipe.abnormal_means
        _open_run(recipe, fingerprint_studies(side, source.kind, source.name, means), side, out)
    parts: dict[str, list[str]] = ranks.decide(lambda: parse_json((out / SPLIT).read_text("utf-8")))
    seen = {*parts["train"], *parts["tune"]}
    teacher = source.teaching
    unlabelled = teacher.unlabelled if teacher else ()
    used = [*(s for s in side if s.key in seen), *unlabelled]
    cache, decoded = source.cache or out / "cache", source.cached or used
    images = _decode(ranks, decoded, recipe, cache, progress)
    train, tune = (
        images.of([*parts["train"], *(s.key for s in unlabelled)]),
        images.of(parts["tune"]),
    )
    answers = read_answers(teacher.answers, images) if teacher else None
    if set(begun_experts(recipe, out)) < {e.name for e in recipe.experts}:
        check_parts(recipe, images, train, ranks.size)
        if ranks.first:
            warn_of_small_parts(recipe, images, tune, side, parts)
            warn_of_leakage(recipe, side, parts)
    for config in recipe.experts:
        folder = expert_folder(out, config.name)
        if ranks.decide((folder / FINISHED).is_file):
            continue
        folder.mkdir(parents=True, exist_ok=True)
        minutes = ranks.decide(partial(_minutes, config.name, recipe, out))
        inputs = FitInput(recipe, images, train, tune, folder, minutes, progress, ranks, answers)
        ExpertFit(fabric, config, inputs).fit()
        ranks.wait()


def _minutes(name: str, recipe: Recipe, out: Path) -> float:
    return minutes_of(name, recipe, minutes_spent(recipe, out)) if recipe.minutes else 0.0


def _fabric(recipe: Recipe, ranks: Ranks) -> Fabric:
    """Return a Fabric on this process's one device; `ranks` connects the processes."""
    return start_fabric(recipe.precision, [ranks.local] if torch.cuda.is_available() else 1)


def _decode(
    ranks: Ranks, studies: Sequence[Study], recipe: Recipe, cache: Path, progress: Progress | None
) -> TrainingImages:
    """Return the images of `studies`, decoded by one process and read by all."""
    if ranks.first:
        images = build_cache(studies, recipe, cache, progress)
    ranks.wait()
    return images if ranks.first else build_cache(studies, recipe, cache)


def _training_side(studies: Sequence[Study], recipe: Recipe) -> list[Study]:
    free = [s for s in studies if s.split not in _HELD_OUT]
    side = labelled(free, "training", recipe.body_parts, heads=True)
    check_label_meaning(side, recipe)
    labels = {s.abnormal for s in side} - {None}
    if labels != {True, False}:
        raise DatasetError(
            f"{len(side)} labelled training studies of {', '.join(recipe.body_parts)} with labels "
            f"{sorted(str(v) for v in labels)}: expected normal and abnormal ones"
        )
    return side


def split_side(
    side: Sequence[Study], shares: Mapping[str, float], seed: int
) -> dict[str, list[Study]]:
    """Split the labelled studies with `split_studies`; unlabelled ones join 'train'.

    Unlabelled studies of a patient in another part are left out.
    """
    split = split_studies([s for s in side if s.abnormal is not None], shares, seed)
    others = {s.patient_id for part, own in split.items() if part != "train" for s in own}
    split["train"] += [s for s in side if s.abnormal is None and s.patient_id not in others]
    return split


def _open_run(recipe: Recipe, data: DataFingerprint, side: Sequence[Study], out: Path) -> None:
    """Begin or check the run, writing the split first: with a recipe, a folder is complete."""
    if not (out / RECIPE).is_file():
        out.mkdir(parents=True, exist_ok=True)
        shares = {k: recipe.fractions[k] for k in _PARTS if recipe.fractions.get(k)}
        split = split_side(side, shares, recipe.seed)
        keys = {k: sorted(s.key for s in split.get(k, [])) for k in recipe.fractions}
        write_json(keys, out / SPLIT)
    begin(recipe, data, out)
