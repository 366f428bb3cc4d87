"""A bundle of two experts whose graphs are any bytes: reading does not run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ulna.bundle import (
    DataFingerprint,
    ExpertEntry,
    Manifest,
    ModelBundle,
    uncalibrated_fusion,
    write_bundle,
)
from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, Fusion, InitialWeights, Recipe
from ulna.types import BodyPart, FindingCategory

PARTS = (BodyPart.WRIST, BodyPart.ELBOW)
GRAPHS: dict[str, Path | bytes] = {"cnn": b"first graph" * 50, "tiny-2": b"second graph" * 40}


@pytest.fixture
def manifest() -> Manifest:
    recipe = Recipe(
        name="two",
        experts=tuple(ExpertConfig(n, "cnn", neck="attention") for n in GRAPHS),
        body_parts=PARTS,
        fusion=Fusion("layout", {BodyPart.ELBOW: "cnn"}),
    )
    return Manifest(
        name="Söderström's wrist",
        created="2026-01-02T03:04:05+00:00",
        input_spec=InputSpec(size=96, mean=0.4),
        body_parts=PARTS,
        categories=(FindingCategory.HARDWARE,),
        experts=tuple(
            ExpertEntry(
                name=name,
                encoder="cnn",
                neck="attention",
                graph=f"{name}.onnx",
                sha256="",
                biases={PARTS[0]: 0.1, PARTS[1]: -1 / 3},
                grid=(12, 12),
                initial=InitialWeights("file", "start.pth"),
                parameters=7,
            )
            for name in GRAPHS
        ),
        fusion=uncalibrated_fusion(GRAPHS, PARTS, "balanced"),
        operating_point="balanced",
        recipe=recipe,
        data=DataFingerprint("table", "hospital", 10, 23, "ab" * 32),
        split={"train": 8, "calibration": 2},
        versions={"ulna": "0"},
        metrics={"parity_max_error": 3e-7},
    )


@pytest.fixture
def bundle(manifest: Manifest, tmp_path: Path) -> ModelBundle:
    return write_bundle(manifest, GRAPHS, tmp_path / "bundle")


@pytest.fixture
def graphs() -> dict[str, Path | bytes]:
    return dict(GRAPHS)
