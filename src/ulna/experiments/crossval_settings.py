"""What decides the result of a cross-validation."""

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
    """All that decides the result; saved in the folder as crossval.json.

    data: table or folder. fold_seed: of the folds alone, so that methods share them. also: table
    or folder whose studies every fold learns from, '' for none. leave_out: sources of `data` (a
    table of sources) that no fold learns from and the bundle of all folds answers.
    """

    data: str
    recipe: Recipe
    folds: Annotated[int, Bounds(2, 1_000)]
    fold_seed: Seed
    also: str = ""
    leave_out: Annotated[tuple[str, ...], Distinct()] = ()

    def __post_init__(self) -> None:
        check_fields(self, "cross-validation")

    def settled(self, saved: Path) -> CrossvalSettings:
        """With one arithmetic for all folds where the recipe says 'auto'.

        saved: these settings as an earlier call left them; their arithmetic goes on, wherever the
        cross-validation is resumed. Without the file it is what 'auto' means on this machine.
        """
        from ulna.training.precision import best_precision

        if self.recipe.precision != "auto":
            return self
        there = saved.is_file()
        result = read_json(CrossvalSettings, saved).recipe.precision if there else best_precision()
        return replace(self, recipe=replace(self.recipe, precision=result))

    def check_goes_on(self, before: CrossvalSettings, out: Path) -> None:
        """Raise ConfigError unless the cross-validation in `out` can go on under these settings.

        before: those it was begun with. An expert may start elsewhere than it did while no fold
        has begun it: a start that could not be used is corrected so, and all folds start alike.
        """
        from ulna.training.folder import describe_start, without_starts

        if {**to_json(self), "recipe": without_starts(self.recipe)} != {
            **to_json(before),
            "recipe": without_starts(before.recipe),
        }:
            raise ConfigError(
                f"{out} holds a cross-validation of other settings: give another --out, or delete "
                "it"
            )
        begun = _begun(self.recipe, {k: out / f"fold{k}" for k in range(self.folds)})
        for old, new in zip(before.recipe.experts, self.recipe.experts, strict=True):
            if new.initial != old.initial and new.name in begun:
                raise ConfigError(
                    f"{out}: expert {new.name} starts from {describe_start(old)} in fold "
                    f"{begun[new.name]}, and was to start from {describe_start(new)} now: "
                    "expected one start for all folds; "
                    "give that of before, or another --out"
                )


def _begun(recipe: Recipe, runs: Mapping[int, Path]) -> dict[str, int]:
    """Names of the experts that a fold has begun, with the fold."""
    from ulna.training.folder import begun_experts

    whole = [e.name for e in recipe.experts]
    return {
        name: k
        for k, run in runs.items()
        for name in (whole if (run / "bundle").exists() else begun_experts(recipe, run))
    }
