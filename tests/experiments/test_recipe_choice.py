"""Recipes from a name or a file, and changes from the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ulna.config.codec import write_json
from ulna.config.recipe import InitialWeights
from ulna.errors import ConfigError
from ulna.experiments.recipe_choice import choose_recipe
from ulna.recipes import RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_its_file(name: str, tmp_path: Path) -> None:
    write_json(RECIPES[name](), tmp_path / "own.json")
    assert choose_recipe(str(tmp_path / "own.json")) == RECIPES[name]()


def test_changes_reach_every_level() -> None:
    recipe = choose_recipe(
        "demo",
        ["seed=3", "input_spec.size=128", "experts.cnn.epochs=5", "precision=32-true"],
    )
    epochs = {e.name: e.epochs for e in recipe.experts}
    assert (recipe.seed, recipe.input_spec.size, recipe.precision) == (3, 128, "32-true")
    assert epochs["cnn"] == 5
    others = {e.name: e.epochs for e in RECIPES["demo"]().experts if e.name != "cnn"}
    assert {k: v for k, v in epochs.items() if k != "cnn"} == others


def test_a_star_means_every_expert() -> None:
    recipe = choose_recipe("hybrid", ["experts.*.batch_size=4"])
    assert {e.batch_size for e in recipe.experts} == {4}


def test_initial_weights_for_one_and_for_all() -> None:
    recipe = choose_recipe("hybrid", initial=["random", "cnn=run:runs/first"])
    kinds = {e.name: (e.initial.kind, e.initial.path) for e in recipe.experts}
    assert kinds.pop("cnn") == ("run", "runs/first")
    assert set(kinds.values()) == {("random", "")}


def test_what_starts_at_random_is_not_frozen() -> None:
    """Stages that ImageNet taught may stay as they are; random ones would stay random."""
    frozen = {e.name: e.frozen_stages for e in choose_recipe("demo").experts}
    assert frozen["lite0"] > 0
    for start in ("random", "lite0=random"):
        chosen = choose_recipe("demo", initial=[start])
        assert {e.frozen_stages for e in chosen.experts} == {0}
    other = choose_recipe("demo", initial=["cnn=random"])
    assert {e.name: e.frozen_stages for e in other.experts} == frozen


def test_only_the_start_that_counts_frees_stages() -> None:
    """`--initial random` for all, then a start of its own for one: that one stays frozen."""
    frozen = {e.name: e.frozen_stages for e in choose_recipe("demo").experts}
    chosen = choose_recipe("demo", initial=["random", "lite0=imagenet"]).experts
    assert {e.name: e.frozen_stages for e in chosen} == {"cnn": 0, "lite0": frozen["lite0"]}
    for starts in (["lite0=imagenet", "random"], ["lite0=imagenet", "lite0=random"]):
        again = {e.name: e.frozen_stages for e in choose_recipe("demo", initial=starts).experts}
        assert again["lite0"] == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("seed", "KEY=VALUE"),
        ("sed=3", "'sed'"),
        ("experts.vgg.epochs=3", "expected one of *"),
        ("seed=three", "expected int"),
        ("seed.deep=3", "no deeper level"),
        ("input_spec.size=7", "expected a number from 32 to 2048"),
    ],
)
def test_wrong_changes_say_what_is_wrong(change: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose_recipe("demo", [change])
    assert words in str(caught.value)


def test_a_recipe_says_which_expert_of_a_run_it_starts_from() -> None:
    (student,) = choose_recipe("fracatlas_student", initial=["run:runs/folds"]).experts
    assert student.name == "student"
    assert student.initial == InitialWeights("run", "runs/folds", expert="lite0")


def test_unknown_recipe_and_initial_kind() -> None:
    with pytest.raises(ConfigError, match="unknown recipe"):
        choose_recipe("dmeo")
    with pytest.raises(ConfigError, match="'imagnet' is not one of random"):
        choose_recipe("demo", initial=["imagnet"])
    with pytest.raises(ConfigError, match="no such file"):
        choose_recipe("missing.json")


def test_one_switch_gives_a_recipe_other_encoders() -> None:
    """Experts that are not `cnn` are replaced in order, with the settings of their place."""
    lite = choose_recipe(
        "hybrid", encoders="tf_efficientnet_lite0, tf_efficientnet_lite1.in1k", initial=["random"]
    )
    assert [(e.name, e.encoder) for e in lite.experts] == [
        ("tf_efficientnet_lite0", "tf_efficientnet_lite0"),
        ("tf_efficientnet_lite1-in1k", "tf_efficientnet_lite1.in1k"),
        ("cnn", "cnn"),
    ]
    back = choose_recipe(
        "hybrid",
        ["experts.vgg19.epochs=7"],
        encoders="vgg19,densenet121,resnet50",
    )
    whole = RECIPES["hybrid"]()
    assert back == replace(whole, experts=(replace(whole.experts[0], epochs=7), *whole.experts[1:]))
    assert whole.experts[0].epochs != 7
    more = choose_recipe("demo", encoders="vgg19,resnet50")
    assert [e.name for e in more.experts] == ["cnn", "vgg19", "resnet50"]
    assert {e.learning_rate for e in more.experts[1:]} == {
        RECIPES["demo"]().experts[1].learning_rate
    }


@pytest.mark.parametrize(
    ("recipe", "encoders", "words"),
    [
        ("pretrain", "vgg19", "all its experts are 'cnn'"),
        ("hybrid", "", "expected names of timm models"),
        ("hybrid", "vgg19,cnn", "without 'cnn', whose experts always stay"),
        ("hybrid", "vgg19,vgg19", "distinct names"),
        ("prototype", "vgg19", "layout names unknown expert 'densenet121'"),
    ],
)
def test_a_switch_to_nothing_sensible_is_refused(recipe: str, encoders: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose_recipe(recipe, encoders=encoders)
    assert words in str(caught.value)
