"""What settings accept can be run: drawn recipes train to the end and export."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.training.tiny import PARTS, make_recipe

from ulna.bundle import read_bundle
from ulna.config.bounds import hints_of
from ulna.config.recipe import Augmentation, ExpertConfig, Fusion, LossWeights, Recipe
from ulna.errors import ConfigError, UlnaWarning, WeightsError
from ulna.export import export_bundle
from ulna.models.check import check_experts
from ulna.models.encoder import Encoder, build_encoder
from ulna.training import DataSource, train_run
from ulna.types import Study

# Costs only: everything else is drawn from all that its bounds allow.
_CHEAP: dict[str, st.SearchStrategy[Any]] = {
    "augmentation": st.none() | st.deferred(lambda: _drawn(Augmentation)),
    "encoder": st.just("cnn"),
    "name": st.sampled_from(["cnn", "A-1", "x_2"]),
    "initial": st.just(ExpertConfig("a", "cnn").initial),
    "epochs": st.integers(1, 2),
    "batch_size": st.sampled_from([2, 5, 65_536]),
    "crop_size": st.sampled_from([0, 32, 64]),
    "input_scale": st.sampled_from([0.5, 1.0, 1.5]),
    "test_scales": st.sampled_from([(1.0,), (0.25, 1.0), (1.5,)]),
}


def _drawn(kind: type) -> st.SearchStrategy[Any]:
    """Settings of a type, those that it refuses left out."""
    fields = {n: _CHEAP[n] if n in _CHEAP else _values(hint) for n, hint in hints_of(kind).items()}

    def made(values: dict[str, Any]) -> Any:
        try:
            return kind(**values)
        except ConfigError:
            return None

    return st.fixed_dictionaries(fields).map(made).filter(lambda s: s is not None)


def _values(hint: Any) -> st.SearchStrategy[Any]:
    bound = getattr(hint, "__metadata__", (None,))[0]
    if bound is None:
        return st.from_type(hint)
    kind = hint.__origin__
    if kind is int:
        return st.integers(int(bound.low), int(bound.high))
    return st.floats(bound.low, bound.high, exclude_min=bound.above, exclude_max=bound.below)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    expert = draw(_drawn(ExpertConfig))
    layout = draw(st.sampled_from([{}, dict.fromkeys(PARTS[:1], expert.name)]))
    changes = {
        "experts": (expert,),
        "augmentation": draw(_drawn(Augmentation)),
        "loss": draw(_drawn(LossWeights)),
        "fusion": Fusion("layout" if layout else draw(st.sampled_from(["fitted", "mean"])), layout),
        "seed": draw(_values(hints_of(Recipe)["seed"])),
        "patience": draw(st.sampled_from([0, 1, 1_000_000])),
        "checkpoint_every": draw(st.sampled_from([1, 3, 1_000_000])),
        "operating_point": draw(st.from_type(hints_of(Recipe)["operating_point"])),
        "precision": draw(st.sampled_from(["auto", "32-true", "bf16-mixed"])),
        "minutes": draw(st.sampled_from([0.0, 1e-6, 1_000_000.0])),
        "input_spec": replace(make_recipe().input_spec, local_contrast=draw(st.floats(0, 1))),
    }
    try:
        return make_recipe(**changes)
    except ConfigError:
        return make_recipe(**{**changes, "experts": (replace(expert, crop_size=0, crop_share=0),)})


@pytest.mark.long
@settings(
    max_examples=12,
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],  # smaller failing settings are not worth the minutes
)
@given(recipe=recipes())
def test_what_is_accepted_trains_and_exports(recipe: Recipe, tiny_studies: Sequence[Study]) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UlnaWarning)
        run = train_run(recipe, tiny_studies, Path(folder) / "run", DataSource("table"))
        name = recipe.experts[0].name
        assert json.loads((run / "experts" / name / "state.json").read_text())["done"] is True
        bundle = export_bundle(run, Path(folder) / "bundle")
        assert read_bundle(bundle.path).manifest.recipe.experts[0].name == name


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"encoder": "resnet51"}, ConfigError, "unknown encoder 'resnet51'"),
        ({"encoder": "vit_tiny_patch16_224"}, ConfigError, "not a feature grid"),
        ({"encoder": "swin_tiny_patch4_window7_224", "test_scales": (2.0,)}, ConfigError, "448 px"),
        ({"initial": {"kind": "imagenet"}}, WeightsError, "no ImageNet weights"),
        ({"encoder": "resnet18", "initial": {"kind": "shipped"}}, WeightsError, "are shipped"),
        ({"initial": {"kind": "file", "path": "nowhere.pth"}}, ConfigError, "no such file"),
    ],
)
def test_a_second_expert_that_cannot_be_built_is_told_before_the_first_trains(
    changes: dict[str, Any],
    kind: type[Exception],
    message: str,
    tmp_path: Path,
    tiny_studies: Sequence[Study],
) -> None:
    from ulna.config.codec import from_json

    first = make_recipe().experts[0]
    second = from_json(ExpertConfig, {"name": "second", "encoder": "cnn", **changes})
    spec = replace(make_recipe().input_spec, size=224)
    recipe = make_recipe(experts=(first, second), input_spec=spec)
    with pytest.raises(kind, match=message):
        train_run(recipe, tiny_studies, tmp_path / "run", DataSource("table"))
    assert not (tmp_path / "run").exists()


def test_the_shipped_recipes_can_be_built() -> None:
    from ulna.recipes import RECIPES

    for make in RECIPES.values():
        recipe = make()
        named = tuple(replace(e, initial=ExpertConfig("a", "cnn").initial) for e in recipe.experts)
        check_experts(replace(recipe, experts=named))


def test_an_encoder_that_reads_tensors_while_it_is_built_is_no_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ConvNeXt of timm 1.0.9 was refused: 'Cannot copy out of meta tensor; no data!'."""

    def build(name: str, size: int) -> Encoder:
        try:
            torch.linspace(0, 0.1, 3).tolist()
        except RuntimeError as error:
            raise ConfigError(f"encoder {name!r} cannot be built: {error}") from error
        return build_encoder(name, size)

    monkeypatch.setattr("ulna.models.check.build_encoder", build)
    check_experts(make_recipe())
    monkeypatch.setattr("ulna.models.check.build_encoder", lambda *_: build("resnet51", 64))
    with pytest.raises(ConfigError, match="unknown encoder"):
        check_experts(make_recipe())
