"""The folder of a run, which can be resumed only with the same settings and data."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ulna.bundle import DataFingerprint
from ulna.config.codec import read_json, to_json, write_json
from ulna.config.recipe import ExpertConfig, Recipe
from ulna.config.selfsupervision import SelfSupervision
from ulna.errors import ConfigError, WeightsWarning
from ulna.json_text import parse_json

# Settings of a run of `ulna train` or of `ulna selfsupervise`, which tell the two apart.
RECIPE, SELF_SUPERVISION = "recipe.json", "selfsupervision.json"
# In an expert's folder: during training, and when it is finished.
CHECKPOINT, FINISHED = "checkpoint.safetensors", "state.json"


def expert_folder(out: Path, name: str) -> Path:
    """Return the folder of the expert `name` in the run `out`."""
    return out / "experts" / name


def begun_experts(recipe: Recipe, out: Path) -> list[str]:
    """Return the names of the experts that have weights in the run `out`, finished or not."""
    folders = {e.name: expert_folder(out, e.name) for e in recipe.experts}
    return [n for n, f in folders.items() if any((f / m).is_file() for m in (CHECKPOINT, FINISHED))]


def minutes_spent(recipe: Recipe, out: Path) -> dict[str, float]:
    """Return the minutes of training of each finished expert of the run `out`.

    Raises ConfigError for a damaged state.json.
    """
    spent = {}
    for expert in recipe.experts:
        state = expert_folder(out, expert.name) / FINISHED
        if not state.is_file():
            continue
        try:
            spent[expert.name] = (
                float(parse_json(state.read_text("utf-8"))["spent"]["seconds"]) / 60
            )
        except (ValueError, KeyError, TypeError):
            raise ConfigError(
                f"{state}: damaged: expected the seconds that the expert trained under 'spent'; "
                f"delete {state.parent} to train it again"
            ) from None
    return spent


def with_recorded_starts(recipe: Recipe, out: Path) -> Recipe:
    """Return `recipe` with the recorded initial weights of the finished experts of the run `out`.

    The initial weights of an expert can be corrected until its training begins, at no cost to the
    others. Warns (WeightsWarning) where a finished expert has other ones than requested. Raises
    ConfigError where an expert in training has other ones.
    """
    if not (out / RECIPE).is_file():
        return recipe
    before = {e.name: e for e in read_json(Recipe, out / RECIPE).experts}
    begun = {n: before[n] for n in begun_experts(recipe, out) if n in before}
    experts = tuple(_with_start_of(begun.get(e.name, e), e, out) for e in recipe.experts)
    return replace(recipe, experts=experts)


def _with_start_of(before: ExpertConfig, requested: ExpertConfig, out: Path) -> ExpertConfig:
    if requested.initial == before.initial:
        return requested
    folder, old = expert_folder(out, requested.name), describe_start(before)
    if not (folder / FINISHED).is_file():
        raise ConfigError(
            f"expert {requested.name} is being trained from {old}, but "
            f"{describe_start(requested)} is requested now: request the recorded start (it is not "
            f"read again), or delete {folder} to train this expert from the beginning"
        )
    warnings.warn(
        f"expert {requested.name} is finished and keeps its start, {old}; to start it from "
        f"{describe_start(requested)}, delete {folder} or use another folder",
        WeightsWarning,
        stacklevel=3,
    )
    return replace(requested, initial=before.initial)


def describe_start(expert: ExpertConfig) -> str:
    """Return the initial weights of `expert` in the form of `--initial`."""
    path = expert.initial.path
    return f"{expert.initial.kind}:{path}" if path else expert.initial.kind


def begin(settings: Recipe | SelfSupervision, data: DataFingerprint, out: Path) -> None:
    """Write settings and data of a new run into `out`, or check those of the run that is there.

    Initial weights may differ (see `with_recorded_starts`). Raises ConfigError for a folder with
    other settings, other data or the other kind of run.
    """
    trained = isinstance(settings, Recipe)
    own, other = (RECIPE, SELF_SUPERVISION) if trained else (SELF_SUPERVISION, RECIPE)
    if (out / other).is_file():
        raise ConfigError(
            f"{out} holds a run of `ulna {'selfsupervise' if trained else 'train'}`: use another "
            "folder"
        )
    if (out / own).is_file():
        before = read_json(type(settings), out / own)
        if without_starts(before) != without_starts(settings):
            raise ConfigError(
                f"{out} holds a run of other settings: use another folder, or delete this one"
            )
        if read_json(DataFingerprint, out / "data.json").sha256 != data.sha256:
            raise ConfigError(f"{out} holds a run on other data: use another folder")
        if to_json(before) != to_json(settings):
            write_json(settings, out / own)
        return
    out.mkdir(parents=True, exist_ok=True)
    write_json(data, out / "data.json")
    write_json(settings, out / own)


def without_starts(settings: Recipe | SelfSupervision) -> Any:
    """Return `settings` as JSON types, without the initial weights of a recipe's experts."""
    data = to_json(settings)
    experts: Iterable[dict[str, Any]] = data.get("experts", ())
    for expert in experts:
        del expert["initial"]
    return data
