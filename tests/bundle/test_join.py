"""Bundles of folds become one whose experts are all there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ulna.bundle import Manifest, read_bundle, write_bundle
from ulna.bundle.join import join_bundles
from ulna.errors import BundleError

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
