"""The number of epochs that a budget of minutes allows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from ulna.config.recipe import ExpertConfig, Recipe
from ulna.errors import UlnaWarning

# Share of a full step that a step without backward pass through the encoder takes, about.
_FORWARD_ONLY = 0.35
# Share of the requested epochs. With fewer, scores depend more on the machine than on the recipe.
_ENOUGH = 0.5


@dataclass
class TimeSpent:
    """Seconds and steps of an expert's training so far, in total and on crops (`window_*`)."""

    seconds: float = 0.0
    steps: int = 0
    window_seconds: float = 0.0
    window_steps: int = 0

    def add(self, seconds: float, on_crops: bool) -> None:
        """Count one step."""
        self.seconds += seconds
        self.steps += 1
        if on_crops:
            self.window_seconds += seconds
            self.window_steps += 1


def minutes_of(name: str, recipe: Recipe, spent: Mapping[str, float]) -> float:
    """Return the minutes of the expert `name`: its share, and what those before it left.

    spent: minutes that each expert before it took. An expert that overruns its share takes nothing
    from the later ones. 0 where the recipe has no budget.
    """
    left, shares = recipe.minutes, sum(e.time_share for e in recipe.experts)
    for expert in recipe.experts:
        own = left * expert.time_share / shares
        if expert.name == name:
            return own
        left -= min(own, spent[expert.name])
        shares -= expert.time_share
    raise KeyError(name)


def epochs_per_minute(
    spent: TimeSpent, config: ExpertConfig, crop_share: float, size: int, steps_per_epoch: int
) -> float:
    """Return epochs per minute where `crop_share` of them are on crops of `config`'s size.

    size: side of a whole image in px. Before the first whole image, its cost is estimated from the
    ratio of the areas.
    """
    crop = spent.window_seconds / max(1, spent.window_steps)
    whole_steps = spent.steps - spent.window_steps
    if whole_steps:
        whole = (spent.seconds - spent.window_seconds) / whole_steps
    else:
        whole = crop * (size / config.crop_size) ** 2
        whole *= 1.0 if config.train_encoder_on_whole else _FORWARD_ONLY
    return 60 / (steps_per_epoch * (crop_share * crop + (1 - crop_share) * whole))


def warn_if_cut(config: ExpertConfig, epochs: int, minutes: float) -> None:
    """Warn (UlnaWarning) where the minutes allowed less than half of the expert's epochs."""
    if minutes and epochs < _ENOUGH * config.epochs:
        warnings.warn(
            f"expert {config.name}: {epochs} of {config.epochs} epochs fitted into its "
            f"{minutes:.1f} minutes: it has learned too little; give it a quieter or faster "
            "machine, or unlimited time (--set minutes=0)",
            UlnaWarning,
            stacklevel=2,
        )
