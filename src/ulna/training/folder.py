"""The folder of a run: begun once, and only gone on with under the same settings and data."""

from __future__ import annotations

import json
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

# The file that says what a folder holds: a run of `ulna train` or of `ulna selfsupervise`.
RECIPE, SELF_SUPERVISION = "recipe.json", "selfsupervision.json"
# In an expert's folder: while it trains, and once it is finished.
CHECKPOINT, FINISHED = "checkpoint.safetensors", "state.json"


def expert_folder(out: Path, name: str) -> Path:
    """Where the run in `out` keeps its expert `name`."""
    return out / "experts" / name


def begun_experts(recipe: Recipe, out: Path) -> list[str]:
    """Names of the experts that have weights of their own in the run `out`, finished or not."""
    folders = {e.name: expert_folder(out, e.name) for e in recipe.experts}
    return [n for n, f in folders.items() if any((f / m).is_file() for m in (CHECKPOINT, FINISHED))]


def minutes_spent(recipe: Recipe, out: Path) -> dict[str, float]:
    """Minutes that each finished expert of the run `out` trained. Raises ConfigError for a damaged
    state.json."""
    spent = {}
    for expert in recipe.experts:
        state = expert_folder(out, expert.name) / FINISHED
        if not state.is_file():
            continue
        try:
            spent[expert.name] = (
                float(json.loads(state.read_text("utf-8"))["spent"]["seconds"]) / 60
            )
        except (ValueError, KeyError, TypeError):
            raise ConfigError(
                f"{state}: damaged: expected the seconds that the expert trained under 'spent'; "
                f"delete {state.parent} to train it again"
            ) from None
    return spent


def with_recorded_starts(recipe: Recipe, out: Path) -> Recipe:
    """`recipe` as the run in `out` goes on with it: a finished expert keeps its recorded start.

    So a start can be corrected when its expert's turn has not come, and costs no other. Says so
    (WeightsWarning) where a finished expert was to start elsewhere. Raises ConfigError for another
    start of an expert under way.
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
    folder, old = expert_folder(out, requested.name), reported(before)
    if not (folder / FINISHED).is_file():
        raise ConfigError(
            f"expert {requested.name} is under way from {old}, and was to start from "
            f"{reported(requested)} "
            f"now: give the start that it had (it is not read again), or delete {folder} to begin "
            "this expert anew"
        )
    warnings.warn(
        f"expert {requested.name} is finished and stays as it is, from {old}; to start it from "
        f"{reported(requested)}, delete {folder} or give another folder",
        WeightsWarning,
        stacklevel=3,
    )
    return replace(requested, initial=before.initial)


def reported(expert: ExpertConfig) -> str:
    """Its start in the words of `--initial`."""
    path = expert.initial.path
    return f"{expert.initial.kind}:{path}" if path else expert.initial.kind


def begin(settings: Recipe | SelfSupervision, data: DataFingerprint, out: Path) -> None:
    """Write settings and data of a new run into `out`, or check those of the run that is there.

    Experts of a recipe may start elsewhere than they did (see `with_recorded_starts`). Raises
    ConfigError for a folder of other settings, other data or the other kind of run.
    """
    trained = isinstance(settings, Recipe)
    own, other = (RECIPE, SELF_SUPERVISION) if trained else (SELF_SUPERVISION, RECIPE)
    if (out / other).is_file():
        raise ConfigError(
            f"{out} holds a run of `ulna {'selfsupervise' if trained else 'train'}`: give another "
            "folder"
        )
    if (out / own).is_file():
        before = read_json(type(settings), out / own)
        if but_for_starts(before) != but_for_starts(settings):
            raise ConfigError(
                f"{out} holds a run of other settings: give another folder, or delete this one"
            )
        if read_json(DataFingerprint, out / "data.json").sha256 != data.sha256:
            raise ConfigError(f"{out} holds a run on other data: give another folder")
        if to_json(before) != to_json(settings):
            write_json(settings, out / own)
        return
    out.mkdir(parents=True, exist_ok=True)
    write_json(data, out / "data.json")
    write_json(settings, out / own)


def but_for_starts(settings: Recipe | SelfSupervision) -> Any:
    """`settings` as JSON types, of a recipe without where its experts start."""
    data = to_json(settings)
    experts: Iterable[dict[str, Any]] = data.get("experts", ())
    for expert in experts:
        del expert["initial"]
    return data
