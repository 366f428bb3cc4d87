"""A cascade in the manifest: written and read, validated, and optional."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ulna.bundle import (
    CascadeCheck,
    CascadeParameters,
    CascadeStage,
    ConformalScores,
    Manifest,
    ModelBundle,
    read_bundle,
    replace_fusion,
    write_bundle,
)
from ulna.bundle.io import _rendered, manifest_hash
from ulna.errors import BundleError

GRAPHS: dict[str, Path | bytes] = {"cnn": b"first graph" * 50, "tiny-2": b"second graph" * 40}


def cascade_of(manifest: Manifest) -> CascadeParameters:
    parts, thresholds = manifest.body_parts, manifest.fusion.thresholds
    stage = CascadeStage(
        experts=("tiny-2",),
        temperatures=dict.fromkeys(parts, 0.7),
        offsets=dict.fromkeys(parts, -0.2),
        low={o: {p: t / 2 for p, t in v.items()} for o, v in thresholds.items()},
        high={o: {p: (1 + t) / 2 for p, t in v.items()} for o, v in thresholds.items()},
    )
    check = CascadeCheck(400, 300, 1, 0.0097, 0.4)
    scores = dict.fromkeys(parts, ConformalScores((0.1, 0.2), (0.5,)))
    return CascadeParameters(
        (stage,), {"cnn": 2e9, "tiny-2": 5e8}, 0.01, 0.9, dict.fromkeys(thresholds, check),
        {"balanced": scores},
    )  # fmt: skip


@pytest.fixture
def written(manifest: Manifest, tmp_path: Path) -> ModelBundle:
    return write_bundle(manifest, GRAPHS, tmp_path / "bundle")


def test_it_survives_the_disk_and_a_new_calibration_removes_it(written: ModelBundle) -> None:
    result = cascade_of(written.manifest)
    replace_fusion(written, written.manifest.fusion, {}, cascade=result)
    read = read_bundle(written.path)
    assert read.manifest.cascade == result
    replace_fusion(read, read.manifest.fusion, {})
    assert read_bundle(written.path).manifest.cascade is None


def test_a_manifest_of_an_earlier_version_is_read(written: ModelBundle) -> None:
    file = written.path / "manifest.json"
    data = json.loads(file.read_text("utf-8"))
    del data["cascade"], data["hash"]
    file.write_bytes(_rendered({**data, "hash": manifest_hash(data)}))
    assert read_bundle(written.path).manifest == written.manifest


def test_bounds_leave_on_both_sides_of_them_only(manifest: Manifest) -> None:
    stage, part = cascade_of(manifest).stages[0], manifest.body_parts[0]
    low, high = stage.low["balanced"][part], stage.high["balanced"][part]
    assert stage.exits(low - 1e-9, part, "balanced") and stage.exits(high + 1e-9, part, "balanced")
    assert not any(stage.exits(p, part, "balanced") for p in (low, (low + high) / 2, high))


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown expert": ({"experts": ("other",)}, "each expert"),
    "no expert": ({"experts": ()}, "experts in each"),
    "none left": ({"experts": ("cnn", "tiny-2")}, "at least one left"),
    "temperature": ({"temperatures": 0.0}, "positive"),
    "offset": ({"offsets": float("inf")}, "finite"),
    "low": ({"low": 0.9}, "between them"),
    "high": ({"high": float("nan")}, "between them"),
    "parts": ({"offsets": None}, "body parts"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_cascade_that_does_not_fit_is_refused(manifest: Manifest, fault: str) -> None:
    result = cascade_of(manifest)
    changes, words = FAULTS[fault]
    made: dict[str, Any] = {}
    for name, value in changes.items():
        if name in ("low", "high"):
            value = {o: dict.fromkeys(manifest.body_parts, value) for o in result.checks}
        elif name != "experts":
            value = {} if value is None else dict.fromkeys(manifest.body_parts, value)
        made[name] = value
    with pytest.raises(BundleError, match=words):
        stages = (replace(result.stages[0], **made),)
        replace(manifest, cascade=replace(result, stages=stages))


def test_points_and_costs_must_be_the_bundles(manifest: Manifest) -> None:
    result = cascade_of(manifest)
    with pytest.raises(BundleError, match="operating points"):
        replace(manifest, cascade=replace(result, checks={}))
    with pytest.raises(BundleError, match="costs"):
        replace(manifest, cascade=replace(result, costs={"cnn": 1.0}))
    with pytest.raises(BundleError, match="disagreement"):
        replace(result, disagreement=0.0)
    with pytest.raises(BundleError, match="counts in order"):
        CascadeCheck(3, 4, 0, 0.1, 0.5)


def test_needed_studies_are_those_that_show_it_without_a_change(manifest: Manifest) -> None:
    # 0.99 ** 229 > 0.1 >= 0.99 ** 230
    assert cascade_of(manifest).n_needed == 230
