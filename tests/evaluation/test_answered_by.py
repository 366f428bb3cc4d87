"""A run's results record the engine, the arithmetic and the threads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.evaluation.synthetic_studies import write_studies

from ulna.bundle import ModelBundle
from ulna.bundle.quantisation import Quantisation
from ulna.config.engine import EngineSettings
from ulna.evaluation import evaluate
from ulna.evaluation.answered_by import answered_by
from ulna.evaluation.pipeline import EvaluationSettings
from ulna.evaluation.scores import Resampling
from ulna.machine import arithmetic_threads
from ulna.report.writers import report_including
from ulna.runtime.session import choice


@pytest.mark.parametrize(
    ("requested", "engine", "threads"),
    [
        ("onnxruntime", "onnxruntime:fp32", arithmetic_threads()),
        ("onnxruntime:1", "onnxruntime:fp32", 1),
        ("auto:fp32:3", "onnxruntime:fp32", 3),
    ],
)
def test_metrics_and_page_say_what_answered(
    requested: str, engine: str, threads: int, tmp_path: Path, blob_bundle: ModelBundle
) -> None:
    given = EvaluationSettings(resampling=Resampling(5), engine=EngineSettings.parse(requested))
    evaluate(
        blob_bundle.path,
        write_studies(tmp_path, 8),
        tmp_path / "out",
        given,
        report=report_including(),
    )
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text("utf-8"))
    result = {k: metrics[k] for k in ("engine", "arithmetic", "threads")}
    assert result == {"engine": engine, "arithmetic": "fp32", "threads": threads}
    plural = "" if threads == 1 else "s"
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert f"engine {engine}, arithmetic fp32, {threads} thread{plural}" in page


def test_nothing_is_left_open(blob_bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """'auto' is what it became here, on any machine."""
    monkeypatch.setattr(choice, "_has_bf16", lambda: True)
    monkeypatch.setattr(choice, "_openvino_precision", lambda settings: "bf16")
    result = answered_by(blob_bundle, EngineSettings("auto"))
    assert (result["engine"], result["arithmetic"]) == ("openvino:bf16", "bf16")
    monkeypatch.setattr(choice, "_has_bf16", lambda: False)
    assert answered_by(blob_bundle, EngineSettings("auto"))["engine"] == "onnxruntime:fp32"


def test_int8_is_said_of_the_layers_that_are(blob_bundle: ModelBundle) -> None:
    figures = Quantisation(
        "a method", 12, {"a": 3, "b": 4}, {"a": 1, "b": 2}, "", 100, {}, 1.0, None, None
    )
    manifest = replace(blob_bundle.manifest, quantisation=figures)
    result = answered_by(replace(blob_bundle, manifest=manifest), EngineSettings(precision="int8"))
    assert result["engine"] == "onnxruntime:fp32"
    assert result["arithmetic"] == "int8 in 7 of 10 convolutions, fp32 elsewhere"
