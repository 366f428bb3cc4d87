"""Where the experts of a fold start: nowhere that has seen what the fold holds out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ulna.bundle import DataFingerprint
from ulna.cli.held_out import run_split, same_data
from ulna.config.codec import read_json
from ulna.config.recipe import ExpertConfig, InitialWeights, Recipe
from ulna.datasets.overlap import named_in
from ulna.errors import ConfigError, DatasetWarning
from ulna.types import Study


def starts_of_fold(
    recipe: Recipe, k: int, held: Sequence[Study], studies: Sequence[Study]
) -> Recipe:
    """`recipe` for fold k: an expert that starts from a cross-validation starts from its fold k.

    held: what fold k holds out of `studies`. Raises ConfigError where that run is not there or has
    learned from some of `held`: its folds are others.
    """
    return replace(recipe, experts=tuple(_of_fold(e, k, held, studies) for e in recipe.experts))


def starts_from_folds(recipe: Recipe) -> bool:
    """Whether an expert of `recipe` starts from a cross-validation."""
    return any(_is_crossval(e.initial) for e in recipe.experts)


def _is_crossval(initial: InitialWeights) -> bool:
    return initial.kind == "run" and (Path(initial.path) / "crossval.json").is_file()


def _of_fold(
    expert: ExpertConfig, k: int, held: Sequence[Study], studies: Sequence[Study]
) -> ExpertConfig:
    if not _is_crossval(expert.initial):
        return expert
    run = Path(expert.initial.path) / f"fold{k}"
    if not (run / "split.json").is_file():
        raise ConfigError(
            f"expert {expert.name} starts from {run.parent}, which has no fold {k}: finish it, or "
            "leave that fold out (--only)"
        )
    parts = run_split(run)
    seen = named_in({*parts["train"], *parts["tune"]}, held)
    # Phantoms are numbered from 1 in every set: equal ids of other phantoms say nothing.
    simulated = read_json(DataFingerprint, run / "data.json").kind == "phantom"
    if seen and (not simulated or same_data(studies, run)):
        raise ConfigError(
            f"expert {expert.name} starts from {run}, which has learned from {len(seen)} of the "
            f"{len(held)} studies that fold {k} holds out (first: {min(seen)}): expected a "
            "cross-validation on the same folds (--folds, --fold-seed)"
        )
    return replace(expert, initial=replace(expert.initial, path=str(run)))


def warn_of_seen(recipe: Recipe, studies: Sequence[Study], held: Sequence[Study]) -> None:
    """DatasetWarning for experts that start from one run on the very studies cross-validated.

    studies: the data; held: those of them that are cross-validated.
    """
    keys = {s.key for s in held}
    for expert in recipe.experts:
        run = Path(expert.initial.path)
        known = expert.initial.kind == "run" and (run / "split.json").is_file()
        if not known or _is_crossval(expert.initial) or not same_data(studies, run):
            continue
        parts = run_split(run)
        seen = keys & {*parts["train"], *parts["tune"]}
        warnings.warn(
            f"expert {expert.name} starts from {run}, which has learned from {len(seen)} of the "
            f"{len(held)} studies that are cross-validated: their out-of-fold scores are "
            "flattered; start from a run on other data",
            DatasetWarning,
            stacklevel=2,
        )
