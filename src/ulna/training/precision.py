"""Which arithmetic a run uses on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from ulna.config.codec import read_json
from ulna.config.recipe import Precision, Recipe


def with_precision(recipe: Recipe, run: Path) -> Recipe:
    """`recipe` with 'auto' precision settled: as the run there was begun, else by the device.

    A resumed run keeps its arithmetic even on another machine, so that its weights do not
    depend on where it was stopped.
    """
    if recipe.precision != "auto":
        return recipe
    begun = run / "recipe.json"
    chosen = read_json(Recipe, begun).precision if begun.is_file() else best_precision()
    return replace(recipe, precision=chosen)


def best_precision() -> Precision:
    """Mixed bfloat16 where it is computed in hardware: a CPU without it is slower by ten times."""
    if torch.cuda.is_available():
        return (
            "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
        )
    if torch.backends.mps.is_available():
        return "32-true"
    return "bf16-mixed" if torch.cpu._is_avx512_bf16_supported() else "32-true"
