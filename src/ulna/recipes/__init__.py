"""The named recipes: functions that return a complete, frozen `Recipe`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ulna.config.recipe import Recipe
from ulna.errors import ConfigError
from ulna.recipes.demo import demo
from ulna.recipes.demonstration import demonstration
from ulna.recipes.fracatlas import (
    fracatlas,
    fracatlas_cnn,
    fracatlas_lite0,
    fracatlas_plain,
    fracatlas_student,
    lower_limb,
    lower_limb_lite0,
    plate_phantoms,
)
from ulna.recipes.hybrid import hybrid, hybrid_phantoms, prototype
from ulna.recipes.pretrain import pretrain
from ulna.recipes.student import student

RECIPES: Mapping[str, Callable[[], Recipe]] = {
    "demo": demo,
    "demonstration": demonstration,
    "pretrain": pretrain,
    "hybrid": hybrid,
    "hybrid_phantoms": hybrid_phantoms,
    "prototype": prototype,
    "plate_phantoms": plate_phantoms,
    "lower_limb": lower_limb,
    "lower_limb_lite0": lower_limb_lite0,
    "fracatlas_cnn": fracatlas_cnn,
    "fracatlas_lite0": fracatlas_lite0,
    "fracatlas_plain": fracatlas_plain,
    "fracatlas_student": fracatlas_student,
    "fracatlas": fracatlas,
    "student": student,
}

__all__ = ["RECIPES", "find_recipe"]


def find_recipe(name: str) -> Recipe:
    """Return the recipe called `name`; raise ConfigError, which lists the names, if unknown."""
    if name not in RECIPES:
        raise ConfigError(f"unknown recipe {name!r}: expected one of {', '.join(RECIPES)}")
    return RECIPES[name]()
