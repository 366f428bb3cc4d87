"""The settings of a cross-validation, and whether one can be resumed under them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from ulna.config.bounds import Bounds, Distinct, Seed, check_fields
from ulna.config.codec import read_json, to_json
from ulna.config.recipe import Recipe
from ulna.errors import ConfigError


@dataclass(frozen=True)
class CrossvalSettings:
    """All settings that decide the result; saved in the folder as crossval.json.

    data: table or folder. fold_seed: seed of the folds only, so that methods share them. also:
    table or folder with further training data for every fold, '' for none. leave_out: sources of
    `data` (a table of sources) that are kept out of training and predicted by the bundle of all
    folds.
    """

    data: str
    recipe: Recipe
    folds: Annotated[int, Bounds(2, 1_000)]
    fold_seed: Seed
    also: str = ""
    leave_out: Annotated[tuple[str, ...], Distinct()] = ()

    def __post_init__(self) -> None:
        check_fields(self, "cross-validation")

    def with_precision(self, saved: Path) -> CrossvalSettings:
        """Return the settings with one precision for all folds where the recipe says 'auto'.

        saved: the file with the settings of an earlier call, whose precision is kept on every
        machine. Without the file it is what 'auto' means on this machine.
        """
        from ulna.training.precision import best_precision

        if self.recipe.precision != "auto":
            return self
        if saved.is_file():
            precision = read_json(CrossvalSettings, saved).recipe.precision
        else:
            precision = best_precision()
        return replace(self, recipe=replace(self.recipe, precision=precision))

    def check_resumable(self, before: CrossvalSettings, out: Path) -> None:
        """Raise ConfigError unless these settings can resume the cross-validation in `out`.

        before: the settings it was begun with. The initial weights of an expert may change as long
        as no fold has begun to train it: so a wrong start can be corrected, and all folds start
        alike.
        """
        from ulna.training.folder import describe_start, without_starts

        if {**to_json(self), "recipe": without_starts(self.recipe)} != {
            **to_json(before),
            "recipe": without_starts(before.recipe),
        }:
            raise ConfigError(
                f"{out} holds a cross-validation with other settings: give another --out, or "
                "delete it"
            )
        begun = _begun(self.recipe, {k: out / f"fold{k}" for k in range(self.folds)})
        for old, new in zip(before.recipe.experts, self.recipe.experts, strict=True):
            if new.initial != old.initial and new.name in begun:
                raise ConfigError(
                    f"{out}: expert {new.name} started from {describe_start(old)} in fold "
                    f"{begun[new.name]}, but would start from {describe_start(new)} now: expected "
                    "one start for all folds; give the one of before, or another --out"
                )


def _begun(recipe: Recipe, runs: Mapping[int, Path]) -> dict[str, int]:
    """Return the names of the experts whose training has begun, each with a fold."""
    from ulna.training.folder import begun_experts

    every = [e.name for e in recipe.experts]
    return {
        name: k
        for k, run in runs.items()
        for name in (every if (run / "bundle").exists() else begun_experts(recipe, run))
    }
