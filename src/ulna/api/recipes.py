"""Recipes: all settings of a training run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ulna.config.recipe import Recipe


def recipe(
    name: Recipe | Path | str = "demo",
    *,
    encoders: Sequence[str] | str | None = None,
    set: Mapping[str, Any] | Sequence[str] = (),
    initial: Sequence[str] | str = (),
) -> Recipe:
    """Return a recipe, the settings of a training run, by name or from a file, with changes.

    Parameters
    ----------
    name : str, path or Recipe
        One of `ulna.RECIPES` ("demo", "hybrid", ...; docs/recipes.md), a JSON file, or a recipe to
        be changed.
    encoders : sequence of str, optional
        Names of networks (of timm, or "cnn"); each becomes an expert, in place of the recipe's.
    set : mapping or sequence of "KEY=VALUE"
        Changes, as {"seed": 3, "experts.cnn.epochs": 5, "experts.*.batch_size": 8}.
    initial : sequence of str
        Initial weights: "imagenet", "random", "run:runs/first", "file:weights.safetensors", or
        "EXPERT=..." for one expert (docs/weights.md).

    Returns
    -------
    Recipe
        Frozen; `ulna.train` takes it.

    Raises
    ------
    ConfigError
        For an unknown name or setting; the message lists the known ones.

    Examples
    --------
    >>> import ulna
    >>> ulna.recipe("demo", set={"experts.cnn.epochs": 2, "seed": 3}).seed
    3
    """
    from ulna.experiments.recipe_choice import choose_recipe

    changes = [f"{k}={json.dumps(v)}" for k, v in set.items()] if isinstance(set, Mapping) else set
    starts = [initial] if isinstance(initial, str) else initial
    names = encoders if encoders is None or isinstance(encoders, str) else ",".join(encoders)
    chosen = str(name) if isinstance(name, str | Path) else name
    return choose_recipe(chosen, changes, starts, names)
