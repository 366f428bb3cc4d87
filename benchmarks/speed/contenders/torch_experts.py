"""The experts of the random bundle as torch modules."""

from __future__ import annotations

import torch
from benchmarks.speed.contenders.contender import Setting

from ulna.config.codec import read_json
from ulna.config.recipe import Recipe
from ulna.models import Expert
from ulna.models.trained import load_expert


def torch_experts(setting: Setting) -> dict[str, Expert]:
    """By name, in evaluation mode on the CPU; torch takes `threads` threads from now on."""
    torch.set_num_threads(setting.threads)
    recipe = read_json(Recipe, setting.run / "recipe.json")
    return {c.name: load_expert(setting.run, recipe, c) for c in recipe.experts}
