"""Settings are checked when created: every field of every type, at and beyond its bounds."""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
import typing
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest

import ulna
from ulna.config.bounds import Bounds, Distinct, check_fields, hints_of
from ulna.config.codec import read_json, write_json
from ulna.config.engine import EngineSettings
from ulna.config.input_spec import InputSpec
from ulna.config.phantom import PhantomConfig
from ulna.config.recipe import (
    Augmentation,
    ExpertConfig,
    Fusion,
    InitialWeights,
    LossWeights,
    Recipe,
)
from ulna.config.selfsupervision import SelfSupervision
from ulna.errors import ConfigError
from ulna.evaluation.scores import Resampling
from ulna.experiments.crossval_settings import CrossvalSettings
from ulna.experiments.demo_steps import DemoSettings
from ulna.recipes import RECIPES
from ulna.types import BodyPart, FindingCategory

EXPERT = ExpertConfig("cnn", "cnn")
# Required fields of each type.
NEEDED: dict[type, dict[str, Any]] = {
    ExpertConfig: {"name": "cnn", "encoder": "resnet18"},
    Recipe: {"name": "r", "experts": (EXPERT,), "body_parts": (BodyPart.WRIST,)},
    SelfSupervision: {"name": "cnn", "encoder": "cnn", "input_spec": InputSpec(size=1024)},
    PhantomConfig: {"studies": 4},
    CrossvalSettings: {
        "data": "x.csv",
        "recipe": Recipe("r", (EXPERT,), (BodyPart.WRIST,)),
        "folds": 2,
        "fold_seed": 0,
    },
    DemoSettings: {
        "data": "x.csv",
        "phantoms": None,
        "recipe": Recipe("r", (EXPERT,), (BodyPart.WRIST,)),
    },
}
# Fields whose bounds depend on a second field.
TOGETHER = {
    (ExpertConfig, "crop_size"),
    (ExpertConfig, "crop_share"),
    (SelfSupervision, "crop_size"),
    (InputSpec, "low_percentile"),
    (InputSpec, "high_percentile"),
    (PhantomConfig, "obvious"),
    (PhantomConfig, "moderate"),
    (PhantomConfig, "subtle"),
}


def _settings_types() -> list[type]:
    """Return every dataclass of the package that checks its fields when created."""
    kinds = set()
    for module in pkgutil.walk_packages(ulna.__path__, "ulna."):
        if module.name.endswith("__main__"):
            continue
        for kind in vars(importlib.import_module(module.name)).values():
            if inspect.isclass(kind) and is_dataclass(kind) and _checks_fields(kind):
                kinds.add(kind)
    return sorted(kinds, key=lambda k: (k.__module__, k.__name__))


def _checks_fields(kind: type) -> bool:
    method = vars(kind).get("__post_init__")
    return method is not None and "check_fields" in method.__code__.co_names


TYPES = _settings_types()
BOUNDED = [
    pytest.param(kind, name, hint, id=f"{kind.__module__}.{kind.__name__}.{name}")
    for kind in TYPES
    for name, hint in hints_of(kind).items()
    if typing.get_origin(hint) is Annotated and isinstance(typing.get_args(hint)[1], Bounds)
]


def _create(kind: type, /, **changes: Any) -> Any:
    return kind(**{**NEEDED.get(kind, {}), **changes})


def test_all_settings_types_are_tested() -> None:
    known = {Recipe, ExpertConfig, Augmentation, LossWeights, Fusion, InitialWeights, InputSpec}
    known |= {SelfSupervision, PhantomConfig, EngineSettings, CrossvalSettings, Resampling}
    assert known <= set(TYPES)
    assert len(BOUNDED) > 60


@pytest.mark.parametrize(("kind", "name", "hint"), BOUNDED)
def test_a_number_at_its_bounds_is_taken_and_beyond_them_refused(
    kind: type, name: str, hint: Any
) -> None:
    number, bound = typing.get_args(hint)[:2]
    step = 1 if number is int else 1e-9
    ends = [(bound.low, -step, bound.above), (bound.high, step, bound.below)]
    for end, outwards, excluded in ends:
        inside = number(end - outwards if excluded else end)
        outside = number(
            end if excluded else end + (outwards if abs(end) < 1e6 else outwards * end)
        )
        if (kind, name) not in TOGETHER:
            assert getattr(_create(kind, **{name: inside}), name) == inside
        with pytest.raises(ConfigError, match=rf"\b{name} .*expected a number"):
            _create(kind, **{name: outside})


@pytest.mark.parametrize(("kind", "name", "hint"), BOUNDED)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "3", None, True, [1]])
def test_what_is_no_finite_number_is_refused(
    kind: type, name: str, hint: Any, value: object
) -> None:
    with pytest.raises(ConfigError, match=rf"\b{name} .*expected a (finite |whole )?number"):
        _create(kind, **{name: value})


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        # Settings that passed once and failed hours later.
        (Recipe, {"operating_point": "specificity_0.95"}, "operating_point .*specificity_0.90"),
        (Recipe, {"checkpoint_every": 0}, "checkpoint_every 0: expected a number from 1"),
        (ExpertConfig, {"learning_rate": -1e-3}, "learning_rate -0.001: expected a number above 0"),
        (ExpertConfig, {"weight_decay": -0.1}, "weight_decay -0.1"),
        (Recipe, {"body_parts": (BodyPart.WRIST, BodyPart.WRIST)}, "body_parts .*each once"),
        # Similar settings.
        (Recipe, {"body_parts": ()}, "at least 1, each once"),
        (Recipe, {"categories": (FindingCategory.FRACTURE,) * 2}, "categories .*each once"),
        (Recipe, {"body_parts": ("WRIST",)}, "body_parts .*expected one of ELBOW, FINGER"),
        (Recipe, {"experts": [EXPERT]}, "experts .*expected a tuple"),
        (Recipe, {"experts": (EXPERT, ExpertConfig("CNN", "cnn"))}, "distinct names"),
        (Recipe, {"precision": "bf16"}, "precision 'bf16': expected one of auto, 32-true"),
        (Recipe, {"fractions": {"train": math.nan, "tune": 0.5, "calibration": 0.5}}, "finite"),
        (Recipe, {"fractions": {"train": 1.2, "tune": -0.2, "calibration": 0.0}}, "from 0 to 1"),
        (Recipe, {"fusion": Fusion("layout", {BodyPart.WRIST: "x"})}, "unknown expert 'x'"),
        (
            Recipe,
            {"experts": (ExpertConfig("a", "cnn", crop_size=256),)},
            "at most the input's 224",
        ),
        (Recipe, {"input_spec": InputSpec(size=100)}, "multiples of 32, like 96"),
        (Recipe, {"name": "a\0b"}, "name .*null characters"),
        (Fusion, {"layout": {BodyPart.WRIST: "cnn"}}, "only the fusion 'layout' reads one"),
        (ExpertConfig, {"name": "../cnn"}, "expert name '../cnn'"),
        (ExpertConfig, {"name": "ä"}, "expert name 'ä'"),
        (ExpertConfig, {"name": "a" * 65}, "expected 1 to 64"),
        (ExpertConfig, {"crop_share": 0.5}, "crop_size 0"),
        (ExpertConfig, {"crop_size": 100}, "multiples of 32"),
        (ExpertConfig, {"test_scales": ()}, "test_scales .*at least 1"),
        (ExpertConfig, {"test_scales": (1.0, 9.0)}, "test_scales 9.0: expected a number from 0.25"),
        (
            ExpertConfig,
            {"train_encoder_on_whole": 1},
            "train_encoder_on_whole 1: expected true or false",
        ),
        (InitialWeights, {"kind": "magic"}, "kind 'magic': expected one of random"),
        (InitialWeights, {"kind": "file"}, "need a path"),
        (InputSpec, {"low_percentile": 60.0, "high_percentile": 40.0}, "low < high"),
        (PhantomConfig, {"subtle": 0.1, "obvious": 0.58}, "subtle 0.1: expected a number from 0.3"),
        (PhantomConfig, {"parts": (BodyPart.WRIST,) * 2}, "parts .*each once"),
        (SelfSupervision, {"name": "../x"}, "expert name '../x'"),
    ],
)
def test_what_could_not_be_run_is_refused(
    kind: type, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        _create(kind, **changes)


def test_the_shipped_recipes_keep_their_bounds() -> None:
    for make in RECIPES.values():
        for settings in [recipe := make(), *recipe.experts, recipe.input_spec]:
            check_fields(settings)


def test_distinct_values_and_paths() -> None:
    assert Distinct() == Distinct(0)
    with pytest.raises(ConfigError, match="EngineSettings: threads 'a/b'"):
        EngineSettings(threads=Path("a/b"))  # type: ignore[arg-type]


def test_every_field_of_the_recipe_has_a_type_that_is_checked() -> None:
    """A field without bounds is at least of its type: no number of a recipe is unbounded."""
    for kind in (Recipe, ExpertConfig, Augmentation, LossWeights, InputSpec, SelfSupervision):
        hints = hints_of(kind)
        free = [f.name for f in fields(kind) if hints[f.name] in (int, float)]
        assert not free, f"{kind.__name__}: {free} have no bounds"


def test_numbers_of_numpy_are_kept_in_files_as_numbers(tmp_path: Path) -> None:
    """NumPy scalars are accepted as settings, so `json` must be able to write them."""
    expert = ExpertConfig("cnn", "cnn", epochs=np.int64(3), learning_rate=np.float32(0.25))
    recipe = Recipe("r", (expert,), (BodyPart.WRIST,), seed=np.uint32(7))
    write_json(recipe, tmp_path / "recipe.json")
    assert read_json(Recipe, tmp_path / "recipe.json") == recipe
