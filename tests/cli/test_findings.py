"""Which abnormality, on the command line: named, drawn, listed, scored, and verified again."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.calls import ulna
from tests.runtime.analytic_bundle import BOTH, CATEGORIES, MAPPING, write_analytic, write_images

from ulna.bundle import FindingCalibration, write_bundle

POINTS = list(BOTH.thresholds)
KNOWN = {
    c: FindingCalibration(1.0, 0.0, dict.fromkeys(POINTS, t), 20, 30)
    for c, t in zip(CATEGORIES, (0.6, 0.2), strict=True)
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose label is fracture, an older one, and labelled images."""
    work = tmp_path_factory.mktemp("findings")
    write_analytic(work / "older", fusion=BOTH)
    made = write_analytic(work / "made", MAPPING, replace(BOTH, findings=KNOWN))
    recipe = replace(made.manifest.recipe, abnormal_means="fracture")
    graphs = {e.name: made.graph_path(e) for e in made.manifest.experts}
    write_bundle(replace(made.manifest, recipe=recipe), graphs, work / "bundle")
    images = write_images(work / "images", [(80, 80)] * 6)
    kinds = ["", "fracture", "hardware", "fracture", "fracture;hardware", "fracture"]
    lines = [
        f"images/{f.path.name},p{k},s{k},ELBOW,{int('fracture' in kinds[k])},{kinds[k]}"
        for k, f in enumerate(images)
    ]
    head = "path,patient_id,study_id,body_part,abnormal,findings"
    (work / "table.csv").write_text("\n".join([head, *lines]) + "\n")
    return work


def test_predict_draws_a_map_of_each_finding(work: Path, tmp_path: Path) -> None:
    requested = ("predict", work / "images/view0.png", "--body-part", "elbow", "--finding-maps")
    ulna(*requested, "--bundle", work / "bundle", "--out", tmp_path / "maps")
    result = sorted(p.name for p in (tmp_path / "maps").rglob("*.png"))
    assert result == ["1_view0.fracture.png", "1_view0.hardware.png", "1_view0.png"]
    assert "--out" in ulna(*requested, "--bundle", work / "bundle", code=2).stderr
    old = ulna(*requested, "--bundle", work / "older", "--out", tmp_path / "old", code=2)
    assert "export its run again" in old.stderr


def test_predict_names_the_finding_and_what_abnormal_means(work: Path) -> None:
    requested = ("predict", work / "images/view0.png", "--body-part", "elbow", "--bundle")
    point = ("--operating-point", "sensitive")
    (message,) = json.loads(ulna(*requested, work / "bundle", *point, "--json").stdout)
    assert message["abnormal_means"] == "fracture" and message["abnormal"]
    assert message["leading_finding"] in message["finding_probabilities"]
    assert message["finding_thresholds"] == {"fracture": 0.6, "hardware": 0.2}
    shown = ulna(*requested, work / "bundle", *point).stdout
    assert "FRACTURE" in shown and f"{message['leading_finding']} 0." in shown
    (old,) = json.loads(ulna(*requested, work / "older", *point, "--json").stdout)
    assert old["abnormal_means"] == "abnormality" and old["finding_probabilities"] == {}
    assert set(old["images"][0]["finding_probabilities"]) == {"fracture", "hardware"}
    assert "ABNORMAL" in ulna(*requested, work / "older", *point).stdout


def test_info_says_which_findings_and_which_answers(work: Path) -> None:
    shown = " ".join(ulna("info", work / "bundle").stdout.split())
    assert "answers: fracture or no fracture" in shown
    assert "finding hardware: temperature 1.00" in shown and "20 studies with, 30" in shown
    assert "findings: not calibrated" in ulna("info", work / "older").stdout


def test_a_table_has_a_column_of_each_finding(work: Path, tmp_path: Path) -> None:
    requested = ("predict", work / "images", "--bundle", work / "bundle", "--table")
    ulna(*requested, tmp_path / "t.csv")
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert {r["abnormal_means"] for r in rows} == {"fracture"}
    for row in rows:
        assert 0 < float(row["finding_fracture"]) < 1 and row["finding_dislocation"] == ""
        called = [
            c
            for c in CATEGORIES
            if float(row[f"image_finding_{c}"]) >= KNOWN[c].thresholds["balanced"]
        ]
        assert row["image_called_findings"] == "; ".join(called)


def test_evaluate_scores_findings_that_verify_computes_again(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores"
    shown = ulna("evaluate", work / "table.csv", "--bundle", work / "bundle", "--out", out).stdout
    assert "fracture/all" in shown and "leading finding right" in shown
    result = json.loads((out / "metrics.json").read_text())
    kinds = result["findings"]["ALL"]["categories"]
    assert (kinds["fracture"]["n_present"], kinds["fracture"]["n_absent"]) == (4, 2)
    # A normal image of this label names nothing, so of hardware it says nothing.
    assert (kinds["hardware"]["n_present"], kinds["hardware"]["n_absent"]) == (2, 3)
    assert "equal within" in ulna("verify", out).stdout
