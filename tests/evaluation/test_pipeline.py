"""Calibration and evaluation, end to end, of a bundle that detects bright blobs."""

import csv
import json
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.evaluation.synthetic_studies import write_studies

from ulna.bundle import ModelBundle, read_bundle
from ulna.calibration import calibrate_bundle
from ulna.errors import ConfigError, DatasetError, DatasetWarning, ImageWarning
from ulna.evaluation import evaluate
from ulna.evaluation.pipeline import EvaluationSettings
from ulna.evaluation.scores import Resampling
from ulna.report.writers import report_including
from ulna.types import BodyPart, ImageRef, Study

MEASURES = (
    "auroc",
    "sensitivity",
    "specificity",
    "precision",
    "f1",
    "accuracy",
    "kappa",
    "average_precision",
    "brier",
    "ece",
)


@pytest.fixture
def studies(tmp_path: Path) -> list[Study]:
    return write_studies(tmp_path, 72)


def test_calibrate_then_evaluate(
    tmp_path: Path, blob_bundle: ModelBundle, studies: list[Study]
) -> None:
    seen: list[tuple[int, int]] = []
    calibrated = calibrate_bundle(blob_bundle.path, studies, lambda *at: seen.append(at))
    assert seen[-1] == (72, 72)
    assert read_bundle(blob_bundle.path) == calibrated
    assert calibrated.manifest.fusion.n_calibration_studies == 72
    assert calibrated.manifest.metrics["calibration.WRIST.auroc"] > 0.8
    metrics = evaluate(
        blob_bundle.path,
        studies,
        tmp_path / "out",
        EvaluationSettings(resampling=Resampling(100)),
        report=report_including(),
    )
    assert metrics == json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["body_part"]["accuracy"] == 1
    assert metrics["by_body_part"]["ALL"]["auroc_visible"]["value"] == 1
    assert metrics["localisation"]["pointing_game"] > 0.8 > metrics["localisation"]["chance"]
    assert metrics["warnings"] == []
    assert metrics["comparison"]["ALL"]["best_expert"] == "cnn"
    assert set(metrics["operating_points"]) == set(calibrated.manifest.fusion.thresholds)
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "Certain and doubtful findings</h3>" in page and "Not stressed" in page


def test_metrics_hold_every_promised_key(
    tmp_path: Path, blob_bundle: ModelBundle, studies: list[Study]
) -> None:
    metrics = evaluate(
        blob_bundle.path,
        studies,
        tmp_path / "out",
        EvaluationSettings(resampling=Resampling(20)),
        report=report_including(),
    )
    assert list(metrics["by_body_part"]) == ["ELBOW", "HUMERUS", "WRIST", "ALL"]
    for scores in metrics["by_body_part"].values():
        for name in (*MEASURES, "auroc_visible", "sensitivity_visible"):
            assert {"value", "low", "high"} <= set(scores[name])
        assert {"n_studies", "n_abnormal"} <= set(scores)
    assert {"pointing_game", "energy_inside", "chance"} <= set(metrics["localisation"])
    assert set(metrics["experts"]) == {"cnn", "tiny"}
    for table in (*metrics["experts"].values(), metrics["mean_of_experts"]):
        assert list(table) == list(metrics["by_body_part"])
    assert set(metrics["by_subtlety"]) == {"obvious", "moderate", "subtle"}
    assert metrics["bundle"]["hash"] == blob_bundle.hash
    assert (metrics["intervals"]["draws"], metrics["intervals"]["seed"]) == (20, 0)
    assert any("not calibrated" in w for w in metrics["warnings"])


def test_table_has_a_row_for_every_image_the_bad_one_too(
    tmp_path: Path, blob_bundle: ModelBundle, studies: list[Study]
) -> None:
    bad, empty = tmp_path / "bad.png", tmp_path / "empty.png"
    bad.write_bytes(studies[0].images[0].path.read_bytes()[:60])
    empty.write_bytes(b"")
    half = replace(studies[0], images=(studies[0].images[0], ImageRef(bad)))
    none = replace(studies[1], images=(ImageRef(empty),))
    given = [half, none, *studies[2:]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics = evaluate(
            blob_bundle.path,
            given,
            tmp_path / "out",
            EvaluationSettings(resampling=Resampling(10)),
            report=report_including(),
        )
    assert (metrics["n_unreadable"], metrics["n_unreadable_images"]) == (1, 1)
    assert any("bad.png" in w for w in metrics["warnings"])
    with (tmp_path / "out" / "predictions.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert Counter(r["study"] for r in rows) == Counter(s.key for s in given for _ in s.images)
    faults = [r for r in rows if r["error"]]
    assert len(faults) == 2
    assert "bad.png" in faults[0]["error"] and "empty.png" in faults[1]["error"]
    assert {"study_cnn", "image_tiny", "study_mean_of_experts"} <= set(rows[0])


def test_unlabelled_and_unknown_parts_are_counted_not_scored(
    tmp_path: Path, blob_bundle: ModelBundle, studies: list[Study]
) -> None:
    given = [
        replace(studies[0], abnormal=None),
        replace(studies[1], body_part=BodyPart.HAND),
        replace(studies[2], body_part=None),
        *studies[3:],
    ]
    metrics = evaluate(
        blob_bundle.path,
        given,
        tmp_path / "out",
        EvaluationSettings(resampling=Resampling(10)),
        report=report_including(),
    )
    assert (metrics["n_given"], metrics["n_scored"]) == (72, 70)
    assert (metrics["n_unlabelled"], metrics["n_unreadable"]) == (1, 1)
    assert metrics["body_part"]["n_studies"] == 70
    assert "HAND" in (tmp_path / "out" / "report.html").read_text()


def test_one_class_is_null_and_said(
    tmp_path: Path, blob_bundle: ModelBundle, studies: list[Study]
) -> None:
    normal = [s for s in studies if not s.abnormal]
    metrics = evaluate(
        blob_bundle.path,
        normal,
        tmp_path / "out",
        EvaluationSettings(resampling=Resampling(10)),
        report=report_including(),
    )
    scores = metrics["by_body_part"]["ALL"]
    assert scores["auroc"]["value"] is None
    assert scores["specificity"]["value"] is not None
    assert "localisation" not in metrics
    assert any("one class only" in w for w in metrics["warnings"])


def test_training_studies_are_warned_of(
    tmp_path: Path, blob_bundle: ModelBundle, studies: list[Study]
) -> None:
    given = [replace(studies[0], split="train"), *studies[1:]]
    with pytest.warns(DatasetWarning, match="'train'"):
        evaluate(
            blob_bundle.path,
            given,
            tmp_path / "out",
            EvaluationSettings(resampling=Resampling(10)),
            report=report_including(),
        )


def test_same_seed_same_files(
    tmp_path: Path, blob_bundle: ModelBundle, studies: list[Study]
) -> None:
    for name in ("a", "b"):
        evaluate(
            blob_bundle.path,
            studies,
            tmp_path / name,
            EvaluationSettings(resampling=Resampling(20, 3)),
            report=report_including(),
        )
    for name in ("metrics.json", "predictions.csv", "report.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_nothing_to_score_is_refused(tmp_path: Path, blob_bundle: ModelBundle) -> None:
    study = replace(write_studies(tmp_path, 1)[0], abnormal=None)
    with pytest.raises(DatasetError, match="can be scored"):
        evaluate(blob_bundle.path, [study], tmp_path / "out", report=report_including())
    assert not (tmp_path / "out").exists()


def test_unknown_operating_point_is_refused(
    tmp_path: Path, blob_bundle: ModelBundle, studies: list[Study]
) -> None:
    with pytest.raises(ConfigError, match="operating point"):
        evaluate(
            blob_bundle.path,
            studies,
            tmp_path / "out",
            EvaluationSettings("0.5"),
            report=report_including(),
        )


def test_calibration_leaves_out_what_it_cannot_use(
    tmp_path: Path, blob_bundle: ModelBundle, studies: list[Study]
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    given = [
        replace(studies[0], abnormal=None),
        replace(studies[1], images=(ImageRef(broken),)),
        *studies[2:],
    ]
    with (
        pytest.warns(DatasetWarning, match="1 of 72"),
        pytest.warns(ImageWarning, match="broken"),
    ):
        bundle = calibrate_bundle(blob_bundle.path, given)
    assert bundle.manifest.fusion.n_calibration_studies == 70
