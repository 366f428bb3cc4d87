"""What decides the result of a cross-validation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from ulna.config.bounds import Bounds, Distinct, Seed, check_fields
from ulna.config.codec import read_json
from ulna.config.recipe import Recipe


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
        found = read_json(CrossvalSettings, saved).recipe.precision if there else best_precision()
        return replace(self, recipe=replace(self.recipe, precision=found))
