"""A manifest that contradicts itself cannot be made."""

from __future__ import annotations

import math
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from ulna.bundle import Manifest, uncalibrated_fusion
from ulna.bundle.manifest import OPERATING_POINTS
from ulna.config.bounds import as_recorded
from ulna.config.codec import from_json, to_json
from ulna.errors import BundleError, ConfigError
from ulna.types import BodyPart

FUSION_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "negative": ({"weights": {BodyPart.WRIST: {"a": 1.5, "b": -0.5}}}, "shares >= 0"),
    "sum": ({"weights": {BodyPart.WRIST: {"a": 0.5, "b": 0.6}}}, "sum 1"),
    "none": ({"weights": {BodyPart.WRIST: {}}}, "sum 1"),
    "nan": ({"weights": {BodyPart.WRIST: {"a": math.nan}}}, "sum 1"),
    "temperature": ({"temperatures": {BodyPart.WRIST: 0.0}}, "positive"),
    "offset": ({"offsets": {BodyPart.WRIST: math.inf}}, "finite"),
    "threshold": ({"thresholds": {"balanced": {BodyPart.WRIST: 1.2}}}, "0 to 1"),
    "limit": ({"map_limit": 0.0}, "positive"),
    "map threshold": ({"map_threshold": math.nan}, "finite"),
}


@pytest.mark.parametrize("fault", FUSION_FAULTS)
def test_fusion_checks_itself(fault: str) -> None:
    changes, words = FUSION_FAULTS[fault]
    good = uncalibrated_fusion("ab", [BodyPart.WRIST], "balanced")
    with pytest.raises(BundleError, match=words):
        replace(good, **changes)


def test_uncalibrated_fusion_says_so() -> None:
    fusion = uncalibrated_fusion(["a", "b", "c"], [BodyPart.WRIST, BodyPart.HAND], "mine")
    assert not fusion.calibrated
    assert set(fusion.thresholds) == {*OPERATING_POINTS, "mine"}
    assert fusion.weights[BodyPart.HAND] == dict.fromkeys("abc", 1 / 3)
    assert set(fusion.temperatures.values()) == {1.0}
    assert set(fusion.offsets.values()) == {0.0}


def test_manifest_checks_itself(manifest: Manifest) -> None:
    first, second = manifest.experts
    one_part = uncalibrated_fusion(["cnn", "tiny-2"], [BodyPart.WRIST], "balanced")
    others = uncalibrated_fusion(["cnn", "other"], manifest.body_parts, "balanced")
    faults: list[tuple[dict[str, Any], str]] = [
        ({"experts": ()}, "at least one"),
        ({"experts": (first, first)}, "distinct names"),
        ({"experts": (first, replace(second, graph="CNN.onnx"))}, "a file of its own"),
        ({"experts": (first, replace(second, biases={}))}, "biases of expert 'tiny-2'"),
        ({"fusion": one_part}, "expected the bundle's body parts"),
        ({"fusion": others}, "weights of WRIST"),
        ({"operating_point": "mine"}, "has no thresholds"),
        ({"metrics": {"x": math.nan}}, "finite"),
    ]
    for changes, words in faults:
        with pytest.raises(BundleError, match=words):
            replace(manifest, **changes)


@pytest.mark.parametrize("graph", ["", ".", "..", "a/b.onnx", "/etc/x", "a\\b.onnx"])
def test_graph_is_a_plain_file_name(manifest: Manifest, graph: str) -> None:
    with pytest.raises(BundleError, match="plain name of a file"):
        replace(manifest.experts[0], graph=graph)


def test_the_page_on_bundles_names_every_key(repository: Path) -> None:
    page = (repository / "docs" / "bundle.md").read_text(encoding="utf-8")
    table = page.split("## The manifest")[1].split("\n## ")[0]
    first = " ".join(row.split("|")[1] for row in table.splitlines() if row.startswith("| `"))
    assert set(re.findall(r"`(\w+)`", first)) == {f.name for f in fields(Manifest)}


def test_a_recipe_that_is_refused_today_keeps_no_bundle_from_answering(manifest: Manifest) -> None:
    """It is the record of a run that is over; what the answers need is checked as ever."""
    old = to_json(manifest)
    old["recipe"]["experts"][0].update(weight_decay=2.0, crop_share=0.5, crop_size=0)
    old["recipe"]["seed"] = -1
    with pytest.raises(ConfigError, match="weight_decay 2.0"):
        from_json(Manifest, old)
    with as_recorded():
        read = from_json(Manifest, old)
    assert read.recipe.experts[0].weight_decay == 2.0
    old["input_spec"]["size"] = 7
    with as_recorded(), pytest.raises(ConfigError, match="size 7"):
        from_json(Manifest, old)
