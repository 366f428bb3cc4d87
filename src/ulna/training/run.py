"""A whole run: split, cache, then each expert in turn; started again, it goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from lightning.fabric import Fabric

from ulna.bundle import DataFingerprint
from ulna.config.codec import write_json
from ulna.config.recipe import Recipe
from ulna.datasets import split_studies
from ulna.datasets.labelled import labelled
from ulna.errors import DatasetError
from ulna.models.initial import check_initial
from ulna.training.cache import Progress, TrainingImages, build_cache
from ulna.training.fingerprint import fingerprint_studies
from ulna.training.folder import RECIPE, begin
from ulna.training.loop import ExpertFit
from ulna.training.precision import with_precision
from ulna.training.source import DataSource
from ulna.training.state import FitInput
from ulna.types import Study

_HELD_OUT = ("valid", "test")


def train_run(
    recipe: Recipe,
    studies: Sequence[Study],
    out: Path,
    source: DataSource,
    devices: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Train every expert of `recipe` on the training side of `studies` into the folder `out`.

    Studies whose split is 'valid' or 'test' are left out; the rest are split by patient into
    the recipe's fractions; those of unknown body part teach the heads of all. An unfinished run
    in `out` is resumed when recipe and data are the same. Returns `out`.
    Raises ConfigError for a folder of another recipe, DatasetError for data that cannot teach
    (nothing labelled, one class only), TrainingError, WeightsError.
    """
    recipe = with_precision(recipe, out / RECIPE)
    for expert in recipe.experts:
        check_initial(expert.initial)
    side = _training_side(studies, recipe)
    fabric = _launch(recipe, devices)
    if fabric.is_global_zero:
        _open_run(recipe, fingerprint_studies(side, source.kind, source.name), side, out)
    fabric.barrier()
    parts: dict[str, list[str]] = json.loads((out / "split.json").read_text())
    learned = {*parts["train"], *parts["tune"]}
    used = [s for s in side if s.key in learned]
    cache, decoded = source.cache or out / "cache", source.cached or used
    images = _decode(fabric, decoded, recipe, cache, progress)
    train, tune = images.of(parts["train"]), images.of(parts["tune"])
    shares = sum(e.time_share for e in recipe.experts)
    for config in recipe.experts:
        folder = out / "experts" / config.name
        if not (folder / "state.json").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            minutes = recipe.minutes * config.time_share / shares
            given = FitInput(recipe, images, train, tune, folder, minutes, progress)
            ExpertFit(fabric, config, given).fit()
            fabric.barrier()
    return out


def _launch(recipe: Recipe, devices: int) -> Fabric:
    # torchrun has started the processes already and says how many there are.
    here = int(os.environ.get("LOCAL_WORLD_SIZE", devices))
    precision = recipe.precision
    assert precision != "auto"  # settled by with_precision
    fabric = Fabric(devices=here, accelerator="auto", precision=precision)
    fabric.launch()
    return fabric


def _decode(
    fabric: Fabric, studies: Sequence[Study], recipe: Recipe, cache: Path, progress: Progress | None
) -> TrainingImages:
    """The images of `studies`, decoded by one process and read by all."""
    if fabric.is_global_zero:
        build_cache(studies, recipe, cache, progress)
    fabric.barrier()
    return build_cache(studies, recipe, cache)


def _training_side(studies: Sequence[Study], recipe: Recipe) -> list[Study]:
    free = [s for s in studies if s.split not in _HELD_OUT]
    side = labelled(free, "training", recipe.body_parts)
    labels = {s.abnormal for s in side}
    if labels != {True, False}:
        raise DatasetError(
            f"{len(side)} labelled training studies of {', '.join(recipe.body_parts)} with labels "
            f"{sorted(str(v) for v in labels)}: expected normal and abnormal ones"
        )
    return side


def _open_run(recipe: Recipe, data: DataFingerprint, side: Sequence[Study], out: Path) -> None:
    """Begin a run, its split first: a folder with a recipe is a whole one."""
    if not (out / RECIPE).is_file():
        out.mkdir(parents=True, exist_ok=True)
        shares = {k: v for k, v in recipe.fractions.items() if v}
        split = split_studies(side, shares, recipe.seed)
        keys = {k: sorted(s.key for s in split.get(k, [])) for k in recipe.fractions}
        write_json(keys, out / "split.json")
    begin(recipe, data, out)
