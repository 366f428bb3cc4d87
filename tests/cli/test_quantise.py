"""`ulna quantise`: an int8 bundle with its figures, or a refusal with them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.calls import ulna
from tests.runtime.analytic_bundle import COARSE, FINE, FITTED, write_analytic

from ulna.bundle import quantisation, read_bundle
from ulna.config.codec import write_json
from ulna.datasets import index_data
from ulna.experiments import extras
from ulna.training.fingerprint import fingerprint_studies


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of 8 training studies out of 32 images, and the bundle in it."""
    lines = ["path,patient_id,study_id,body_part,abnormal"]
    for i in range(32):
        image = np.random.default_rng(i).uniform(20, 60 + 4 * i, (60, 60))
        Image.fromarray(image.astype(np.uint8)).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,p{i},s{i},ELBOW,{i % 2}")
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    folder = tmp_path / "run"
    folder.mkdir()
    used = index_data(tmp_path / "table.csv")[:8]
    write_json({"train": [s.key for s in used], "calibration": []}, folder / "split.json")
    write_json(fingerprint_studies(used, "table", "t"), folder / "data.json")
    write_analytic(folder / "bundle", [COARSE, FINE], FITTED)
    return folder


def test_bundle_figures_and_info(run: Path, tmp_path: Path) -> None:
    command = ("quantise", run / "bundle", "--data", tmp_path / "table.csv")
    done = ulna(*command, "--out", tmp_path / "int8", "--images", 8)
    assert "ranges of 8 training studies; held out: 24 studies" in done.output
    assert "accepted: " in done.output and "24 held-out studies" in done.output
    figures = read_bundle(tmp_path / "int8").manifest.quantisation
    assert figures is not None and figures.n_images == 8 and figures.pointing is None
    reported = ulna("info", tmp_path / "int8").output
    assert "int8: layers of coarse 1 of 1" in reported
    assert "int8" not in ulna("info", run / "bundle").output
    for engine in ("onnxruntime:int8", "auto:int8"):
        ulna("predict", tmp_path / "0.png", "--bundle", tmp_path / "int8", "--engine", engine)


def test_refusal_writes_nothing(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantisation, "SHARE_WITHIN", 1.1)
    command = ("quantise", run / "bundle", "--data", tmp_path / "table.csv", "--images", 8)
    done = ulna(*command, "--out", tmp_path / "int8", code=5)
    assert "int8 refused, nothing written: probability within 0.02" in done.output
    assert "change of probability on 24" in done.output
    message = json.loads(ulna(*command, "--out", tmp_path / "int8", "--json", code=5).stdout)
    assert message["accepted"] is False and message["figures"]["n_studies"] == 24
    assert not (tmp_path / "int8").exists()


def test_bad_input_is_refused(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "table.csv"
    lines = table.read_text().splitlines()
    (tmp_path / "other.csv").write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    write_analytic(tmp_path / "alone", [replace(COARSE)])
    for bundle, data, message in (
        (tmp_path / "alone", table, "lies in no run's folder"),
        (run / "bundle", tmp_path / "other.csv", "the data are not those of"),
    ):
        done = ulna("quantise", bundle, "--data", data, "--out", tmp_path / "o", code=2)
        assert message in done.output
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    done = ulna("quantise", run / "bundle", "--data", table, "--out", tmp_path / "o", code=8)
    assert "pip install 'ulna[quantise]'" in done.output
