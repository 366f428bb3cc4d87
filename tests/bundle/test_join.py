"""Bundles of folds are joined into one with all of their experts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ulna.bundle import Manifest, read_bundle, write_bundle
from ulna.bundle.join import join_bundles, unite_bundles, unite_recipes
from ulna.config.augmentation import Augmentation
from ulna.config.recipe import Fusion
from ulna.errors import BundleError, ConfigError

Graphs = dict[str, Path | bytes]


def test_every_expert_of_every_fold_is_in_it(
    tmp_path: Path, manifest: Manifest, graphs: Graphs
) -> None:
    other = replace(manifest, recipe=replace(manifest.recipe, seed=5))
    folds = [write_bundle(m, graphs, tmp_path / str(i)) for i, m in enumerate((manifest, other))]
    joint = join_bundles(folds, tmp_path / "joint", "both", manifest.data)
    again = read_bundle(joint.path)
    names = [e.name for e in manifest.experts]
    assert [e.name for e in again.manifest.experts] == [f"{n}-{k}" for k in (0, 1) for n in names]
    for k, fold in enumerate(folds):
        for expert in fold.manifest.experts:
            copy = again.path / f"{expert.name}-{k}.onnx"
            assert copy.read_bytes() == fold.graph_path(expert).read_bytes()
    assert not again.calibrated and again.manifest.name == "both"


def test_other_recipes_are_refused(tmp_path: Path, manifest: Manifest, graphs: Graphs) -> None:
    other = replace(manifest, recipe=replace(manifest.recipe, description="another"))
    folds = [write_bundle(m, graphs, tmp_path / str(i)) for i, m in enumerate((manifest, other))]
    with pytest.raises(BundleError, match="another recipe"):
        join_bundles(folds, tmp_path / "joint", "both", manifest.data)


def test_united_recipes_have_all_experts_by_names_of_their_own(manifest: Manifest) -> None:
    recipe = replace(manifest.recipe, fusion=Fusion())
    both = unite_recipes([recipe, replace(recipe, seed=9, name="other"), recipe])
    names = [e.name for e in recipe.experts]
    expected = [*names, *(f"{n}_2" for n in names), *(f"{n}_3" for n in names)]
    assert [e.name for e in both.experts] == expected
    assert replace(both, experts=recipe.experts) == recipe
    for i, expert in enumerate(both.experts):
        source = recipe.experts[i % len(names)]
        assert replace(expert, name=source.name) == source


def test_recipes_of_other_augmentation_keep_it_for_their_experts(manifest: Manifest) -> None:
    recipe = replace(manifest.recipe, fusion=Fusion())
    changes = Augmentation(rotation=90)
    special = replace(recipe.experts[0], augmentation=Augmentation(scale=1))
    other = replace(
        recipe, augmentation=changes, minutes=3.0, experts=(special, *recipe.experts[1:])
    )
    both = unite_recipes([recipe, other])
    n = len(recipe.experts)
    assert {e.augmentation for e in both.experts[:n]} == {recipe.augmentation}
    assert both.experts[n].augmentation == special.augmentation
    assert {e.augmentation for e in both.experts[n + 1 :]} == {changes}
    assert both.minutes == recipe.minutes


def test_recipes_that_see_or_learn_otherwise_are_not_united(manifest: Manifest) -> None:
    recipe = replace(manifest.recipe, fusion=Fusion())
    other = replace(recipe, operating_point="sensitive", name="other")
    with pytest.raises(ConfigError, match=r"differ in operating_point: expected"):
        unite_recipes([recipe, other])
    mean = replace(recipe, fusion=Fusion("mean"), weights="float16")
    assert unite_recipes([recipe, mean]).fusion == recipe.fusion
    assert unite_recipes([mean, recipe]).fusion == mean.fusion
    layout = Fusion("layout", {recipe.body_parts[0]: recipe.experts[0].name})
    with pytest.raises(ConfigError, match="layout"):
        unite_recipes([replace(recipe, fusion=layout)] * 2)


def test_united_bundles_keep_every_graph(
    tmp_path: Path, manifest: Manifest, graphs: Graphs
) -> None:
    changed = {n: _bytes(g) + b" " for n, g in graphs.items()}
    sources = [write_bundle(manifest, g, tmp_path / n) for n, g in (("a", graphs), ("b", changed))]
    recipe = unite_recipes([replace(manifest.recipe, fusion=Fusion())] * 2)
    again = read_bundle(unite_bundles(sources, recipe, tmp_path / "both").path)
    assert [e.name for e in again.manifest.experts] == [e.name for e in recipe.experts]
    stored = [again.graph_path(e).read_bytes() for e in again.manifest.experts]
    assert stored == [b.graph_path(e).read_bytes() for b in sources for e in b.manifest.experts]
    assert not again.calibrated and again.manifest.data == manifest.data


def test_the_same_expert_twice_and_other_studies_are_refused(
    tmp_path: Path, manifest: Manifest, graphs: Graphs
) -> None:
    bundle = write_bundle(manifest, graphs, tmp_path / "a")
    recipe = unite_recipes([replace(manifest.recipe, fusion=Fusion())] * 2)
    with pytest.raises(BundleError, match="experts of their own"):
        unite_bundles([bundle, bundle], recipe, tmp_path / "both")
    other = replace(manifest, split={**manifest.split, "train": 1})
    second = write_bundle(other, graphs, tmp_path / "b")
    with pytest.raises(BundleError, match="other studies"):
        unite_bundles([bundle, second], recipe, tmp_path / "both")


def _bytes(graph: Path | bytes) -> bytes:
    return graph if isinstance(graph, bytes) else graph.read_bytes()
