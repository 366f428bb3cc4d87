"""`--cascade` on the command line: what is skipped is said, and what is missing too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.calls import ulna
from tests.runtime.analytic_bundle import BOTH, cascade, write_analytic, write_images

from ulna.bundle import replace_fusion


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundles with and without a cascade, and labelled images."""
    work = tmp_path_factory.mktemp("cascade")
    write_analytic(work / "plain", fusion=BOTH)
    bundle = write_analytic(work / "bundle", fusion=BOTH)
    # all leave, on whichever side
    replace_fusion(bundle, BOTH, {}, cascade=cascade(0.5, 0.5))
    images = write_images(work / "images", [(80, 80)] * 4)
    lines = [f"images/{f.path.name},p{k},s{k},ELBOW,{k % 2}" for k, f in enumerate(images)]
    head = "path,patient_id,study_id,body_part,abnormal"
    (work / "table.csv").write_text("\n".join([head, *lines]) + "\n")
    return work


def test_predict_names_what_it_skipped(work: Path) -> None:
    requested = ("predict", work / "images/view0.png", "--body-part", "elbow", "--bundle")
    (whole,) = json.loads(ulna(*requested, work / "bundle", "--json").stdout)
    assert (whole["skipped_experts"], set(whole["experts"])) == ([], {"coarse", "fine"})
    (early,) = json.loads(ulna(*requested, work / "bundle", "--cascade", "--json").stdout)
    assert (early["skipped_experts"], list(early["experts"])) == (["fine"], ["coarse"])
    assert early["confidence"] is None
    shown = ulna(*requested, work / "bundle", "--cascade").stdout
    assert "answered by coarse alone; skipped: fine" in shown


def test_a_bundle_without_one_is_told_to_calibrate(work: Path) -> None:
    requested = ("predict", work / "images/view0.png", "--bundle", work / "plain", "--cascade")
    assert "run `ulna calibrate` again" in ulna(*requested, code=2).stderr
    assert "cascade: none" in ulna("info", work / "plain").stdout


def test_info_says_what_the_calibration_studies_did(work: Path) -> None:
    shown = " ".join(ulna("info", work / "bundle").stdout.split())
    assert "cascade: skips nothing: 500 calibration studies do not show" in shown


def test_evaluate_scores_it_beside_the_hybrid(work: Path) -> None:
    requested = ("evaluate", work / "table.csv", "--bundle", work / "bundle", "--out")
    assert (
        "cascade: 100% of 4 studies left early" in ulna(*requested, work / "a", "--cascade").stdout
    )
    result = json.loads((work / "a/metrics.json").read_text())["cascade"]
    assert result["left"] == 1.0 and result["cost"] == pytest.approx(0.25)
    assert "cascade: " not in ulna(*requested, work / "b").stdout
    assert "cascade" not in json.loads((work / "b/metrics.json").read_text())
    # the hybrid's own scores are the same
    assert (work / "a/predictions.csv").read_text() == (work / "b/predictions.csv").read_text()
    ulna("verify", work / "a")
