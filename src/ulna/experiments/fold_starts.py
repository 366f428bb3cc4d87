"""Initial weights of a fold's experts: never trained on what the fold holds out."""

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


def with_fold_starts(
    recipe: Recipe,
    k: int,
    held_out: Sequence[Study],
    studies: Sequence[Study],
    left_out: Sequence[Study] = (),
) -> Recipe:
    """Return the recipe of fold k, with initial weights from fold k of other cross-validations.

    held_out: the studies that fold k holds out of `studies`. left_out: studies of the sources kept
    out of training. Raises ConfigError where that run does not exist, or was trained on studies of
    `held_out` (its folds differ) or of `left_out`.
    """
    checked = (held_out, left_out, studies)
    return replace(recipe, experts=tuple(_of_fold(e, k, *checked) for e in recipe.experts))


def with_begun_starts(recipe: Recipe, k: int, run: Path) -> Recipe:
    """Return the recipe with the recorded initial weights of experts that fold k has begun.

    These weights are not read again: their cross-validation may have been deleted since.
    """
    from ulna.training.folder import RECIPE, begun_experts

    if not (run / RECIPE).is_file():
        return recipe
    before = {e.name: e.initial for e in read_json(Recipe, run / RECIPE).experts}
    begun = begun_experts(recipe, run)

    def started(expert: ExpertConfig) -> ExpertConfig:
        place = str(Path(expert.initial.path) / f"fold{k}")
        recorded = InitialWeights("run", place, expert.initial.expert)
        known = expert.name in begun and before.get(expert.name) == recorded
        return replace(expert, initial=recorded) if known else expert

    return replace(recipe, experts=tuple(map(started, recipe.experts)))


def starts_from_folds(recipe: Recipe) -> bool:
    """Return whether an expert of the recipe starts from a cross-validation."""
    return any(_is_crossval(e.initial) for e in recipe.experts)


def _is_crossval(initial: InitialWeights) -> bool:
    return initial.kind == "run" and (Path(initial.path) / "crossval.json").is_file()


def _of_fold(
    expert: ExpertConfig,
    k: int,
    held_out: Sequence[Study],
    left_out: Sequence[Study],
    studies: Sequence[Study],
) -> ExpertConfig:
    if not _is_crossval(expert.initial):
        return expert
    run = Path(expert.initial.path) / f"fold{k}"
    if not (run / "split.json").is_file():
        raise ConfigError(
            f"expert {expert.name} starts from {run.parent}, which has no fold {k}: finish it, or "
            "omit that fold (--only)"
        )
    # Phantoms are numbered from 1 in every set: equal ids of other phantoms mean nothing.
    comparable = not _simulated(run) or same_data([*studies, *left_out], run)
    if comparable and (seen := keys_among(_trained_on(run), held_out)):
        raise ConfigError(
            f"expert {expert.name} starts from {run}, which was trained on {len(seen)} of the "
            f"{len(held_out)} studies that fold {k} holds out (first: {min(seen)}): expected a "
            "cross-validation on the same folds (--folds, --fold-seed)"
        )
    # By whole keys: the ids of a source that is read by itself may equal those of another one.
    if comparable and (seen := _trained_on(run) & {s.key for s in left_out}):
        raise ConfigError(
            f"expert {expert.name} starts from {run}, which was trained on {len(seen)} of the "
            f"{len(left_out)} studies of sources that are left out (first: {min(seen)}): expected "
            "a cross-validation that leaves them out too (--leave-out)"
        )
    return replace(expert, initial=replace(expert.initial, path=str(run)))


def _trained_on(run: Path) -> set[str]:
    """Return the keys of the studies that the run was trained on."""
    parts = run_split(run)
    return {*parts.get("train", ()), *parts.get("tune", ())}


def _simulated(run: Path) -> bool:
    return read_json(DataFingerprint, run / "data.json").simulated


def warn_of_leakage(
    recipe: Recipe,
    studies: Sequence[Study],
    held_out: Sequence[Study],
    left_out: Sequence[Study] = (),
) -> None:
    """Warn of experts that start from a run trained on studies that are to test them.

    studies: the data. held_out: those that are cross-validated; `with_fold_starts` checks them
    where the start is a cross-validation. left_out: studies of the sources kept out of training.
    A run on other data, by hash, may have been trained on studies with the same ids: the
    DatasetWarning covers that too, except for phantoms, which are numbered from 1 in every set.
    """
    for expert in recipe.experts:
        run = Path(expert.initial.path)
        if expert.initial.kind != "run" or not (run / "split.json").is_file():
            continue
        folds, same = _is_crossval(expert.initial), same_data(studies, run)
        if not same and _simulated(run):
            continue
        tested = {"are left out": left_out} | ({} if folds else {"are cross-validated": held_out})
        for role, examined in tested.items():
            if seen := keys_among(_trained_on(run), examined):
                warnings.warn(
                    f"expert {expert.name} starts from {run}, which was trained on "
                    f"{'' if same else 'studies with the ids of '}{len(seen)} of the "
                    f"{len(examined)} studies that {role}: "
                    f"{'their' if same else 'if they are the same, their'} scores are optimistic; "
                    "start from a run on other data",
                    DatasetWarning,
                    stacklevel=2,
                )
