"""Where the experts of a fold start: nowhere that has seen what the fold holds out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ulna.bundle import DataFingerprint
from ulna.config.codec import read_json
from ulna.config.recipe import ExpertConfig, InitialWeights, Recipe
from ulna.datasets.overlap import keys_among
from ulna.errors import ConfigError, DatasetWarning
from ulna.experiments.held_out import run_split, same_data
from ulna.types import Study


def starts_of_fold(
    recipe: Recipe,
    k: int,
    held: Sequence[Study],
    studies: Sequence[Study],
    away: Sequence[Study] = (),
) -> Recipe:
    """`recipe` for fold k: an expert that starts from a cross-validation starts from its fold k.

    held: what fold k holds out of `studies`. away: of the sources that no fold learns from. Raises
    ConfigError where that run is not there or has learned from some of `held`, since its folds are
    others, or of `away`.
    """
    examined = (held, away, studies)
    return replace(recipe, experts=tuple(_of_fold(e, k, *examined) for e in recipe.experts))


def with_begun_starts(recipe: Recipe, k: int, run: Path) -> Recipe:
    """`recipe` whose experts that fold k's `run` has begun start where is recorded there.

    Such a start is not read again: that cross-validation may be gone by now.
    """
    from ulna.training.folder import RECIPE, begun_experts

    if not (run / RECIPE).is_file():
        return recipe
    before = {e.name: e.initial for e in read_json(Recipe, run / RECIPE).experts}
    begun = begun_experts(recipe, run)

    def started(expert: ExpertConfig) -> ExpertConfig:
        place = str(Path(expert.initial.path) / f"fold{k}")
        own = InitialWeights("run", place, expert.initial.expert)
        known = expert.name in begun and before.get(expert.name) == own
        return replace(expert, initial=own) if known else expert

    return replace(recipe, experts=tuple(map(started, recipe.experts)))


def starts_from_folds(recipe: Recipe) -> bool:
    """Whether an expert of `recipe` starts from a cross-validation."""
    return any(_is_crossval(e.initial) for e in recipe.experts)


def _is_crossval(initial: InitialWeights) -> bool:
    return initial.kind == "run" and (Path(initial.path) / "crossval.json").is_file()


def _of_fold(
    expert: ExpertConfig,
    k: int,
    held: Sequence[Study],
    away: Sequence[Study],
    studies: Sequence[Study],
) -> ExpertConfig:
    if not _is_crossval(expert.initial):
        return expert
    run = Path(expert.initial.path) / f"fold{k}"
    if not (run / "split.json").is_file():
        raise ConfigError(
            f"expert {expert.name} starts from {run.parent}, which has no fold {k}: finish it, or "
            "leave that fold out (--only)"
        )
    # Phantoms are numbered from 1 in every set: equal ids of other phantoms say nothing.
    reported = not _simulated(run) or same_data([*studies, *away], run)
    if reported and (seen := keys_among(_learned(run), held)):
        raise ConfigError(
            f"expert {expert.name} starts from {run}, which has learned from {len(seen)} of the "
            f"{len(held)} studies that fold {k} holds out (first: {min(seen)}): expected a "
            "cross-validation on the same folds (--folds, --fold-seed)"
        )
    # By their own names: the ids of one source read by itself may be those of another one.
    if reported and (seen := _learned(run) & {s.key for s in away}):
        raise ConfigError(
            f"expert {expert.name} starts from {run}, which has learned from {len(seen)} of the "
            f"{len(away)} studies of sources that are left out (first: {min(seen)}): expected a "
            "cross-validation that leaves them out too (--leave-out)"
        )
    return replace(expert, initial=replace(expert.initial, path=str(run)))


def _learned(run: Path) -> set[str]:
    """Keys of the studies that `run` has learned from."""
    parts = run_split(run)
    return {*parts.get("train", ()), *parts.get("tune", ())}


def _simulated(run: Path) -> bool:
    return read_json(DataFingerprint, run / "data.json").simulated


def warn_of_seen(
    recipe: Recipe, studies: Sequence[Study], held: Sequence[Study], away: Sequence[Study] = ()
) -> None:
    """DatasetWarning for experts that start from a run on studies that are to examine them.

    studies: the data; held: those of them that are cross-validated, which `starts_of_fold` sees to
    where the start is a cross-validation; away: of the sources that are left out. A run on other
    data, by hash, may have learned from studies of the same names: that is said too, but of
    phantoms, which are numbered from 1 in every set.
    """
    for expert in recipe.experts:
        run = Path(expert.initial.path)
        if expert.initial.kind != "run" or not (run / "split.json").is_file():
            continue
        folds, same = _is_crossval(expert.initial), same_data(studies, run)
        if not same and _simulated(run):
            continue
        words = "" if same else "studies with the ids of "
        sides = {"no fold learns from": away} | ({} if folds else {"are cross-validated": held})
        for what, examined in sides.items():
            if seen := keys_among(_learned(run), examined):
                warnings.warn(
                    f"expert {expert.name} starts from {run}, which has learned from {words}"
                    f"{len(seen)} of the {len(examined)} studies that {what}: "
                    f"{'their' if same else 'if they are the same, their'} scores are flattered; "
                    "start from a run on other data",
                    DatasetWarning,
                    stacklevel=2,
                )
