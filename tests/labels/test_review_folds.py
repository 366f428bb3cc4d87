"""`ulna review` on a folder like a cross-validation's: its maps are of experts new to the study."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from tests.evaluation.synthetic_studies import blob_graph, make_manifest, write_studies

pytest.importorskip("cleanlab", reason="needs the extra review")

from ulna.bundle import read_bundle, replace_fusion, write_bundle
from ulna.bundle.join import join_bundles
from ulna.cli.main import cli
from ulna.errors import ConfigError
from ulna.experiments.review_steps import fold_experts
from ulna.labels.label_errors import rank_labels
from ulna.types import Study

N = 72


def _cross_validation(work: Path) -> list[Study]:
    """Two folds of experts that see unlike blobs, a joint bundle, a table and its predictions."""
    studies = [replace(s, split="") for s in write_studies(work, N)]
    folds = {s.key: int(s.patient_id[1:]) % 2 for s in studies}
    for k in (0, 1):
        graphs = {"cnn": blob_graph(0.9 + k), "tiny": blob_graph(1.5)}
        write_bundle(make_manifest(), graphs, work / f"cv/fold{k}/bundle")
        learned = [key for key, fold in folds.items() if fold != k]
        parts = {"train": learned, "tune": [], "calibration": []}
        (work / f"cv/fold{k}/split.json").write_text(json.dumps(parts))
    bundles = [read_bundle(work / f"cv/fold{k}/bundle") for k in (0, 1)]
    joint = join_bundles(bundles, work / "cv/bundle", "joint", bundles[0].manifest.data)
    shares = {"cnn-0": 0.45, "tiny-0": 0.05, "cnn-1": 0.45, "tiny-1": 0.05}
    weights = dict.fromkeys(joint.manifest.body_parts, shares)
    replace_fusion(joint, replace(joint.manifest.fusion, weights=weights, map_limit=5.0), {})
    _write_tables(work, studies, folds)
    return studies


def _write_tables(work: Path, studies: list[Study], folds: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    (work / "cv/evaluation").mkdir()
    with (
        (work / "table.csv").open("w", newline="") as table,
        (work / "cv/evaluation/predictions.csv").open("w", newline="") as answers,
    ):
        data, message = csv.writer(table), csv.writer(answers)
        data.writerow(["path", "patient_id", "study_id", "body_part", "abnormal"])
        message.writerow(
            ["study", "patient", "body_part", "split", "abnormal", "study_probability"]
        )
        for study in studies:
            label = int(bool(study.abnormal))
            p = 0.1 + 0.8 * label + rng.uniform(-0.1, 0.1)
            fold = f"fold{folds[study.key]}"
            message.writerow([study.key, study.patient_id, study.body_part, fold, label, p])
            for image in study.images:
                row = [image.path.name, study.patient_id, study.study_id, study.body_part, label]
                data.writerow(row)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    _cross_validation(tmp_path)
    return tmp_path


def _ulna(*arguments: object, code: int = 0) -> Result:
    done = CliRunner().invoke(cli, ["review", *(str(a) for a in arguments)])
    assert done.exit_code == code, done.output
    assert "Traceback" not in done.output
    return done


def test_maps_come_from_experts_that_have_not_seen_the_study(tmp_path: Path) -> None:
    studies = _cross_validation(tmp_path)
    label_errors = rank_labels(studies, tmp_path / "cv/evaluation/predictions.csv")
    experts = fold_experts(tmp_path / "cv", label_errors)
    assert set(experts) == {"fold0", "fold1"}
    for fold, predictor in experts.items():
        own = read_bundle(tmp_path / "cv" / fold / "bundle")
        assert predictor.bundle.hash == own.hash
        for shares in predictor.manifest.fusion.weights.values():
            assert shares == pytest.approx({"cnn": 0.9, "tiny": 0.1})
        assert predictor.manifest.fusion.map_limit == 5.0


def test_maps_of_some_folds_alone(tmp_path: Path) -> None:
    """A traceback: of `ulna crossval --only 1 --only 2` the joint bundle counts from 0 too."""
    studies = _cross_validation(tmp_path)
    file = tmp_path / "cv/evaluation/predictions.csv"
    text = file.read_text()
    for k in (1, 0):
        (tmp_path / f"cv/fold{k}").rename(tmp_path / f"cv/fold{k + 1}")
        text = text.replace(f"fold{k}", f"fold{k + 1}")
    file.write_text(text)
    experts = fold_experts(tmp_path / "cv", rank_labels(studies, file))
    assert set(experts) == {"fold1", "fold2"}
    for predictor in experts.values():
        for shares in predictor.manifest.fusion.weights.values():
            assert shares == pytest.approx({"cnn": 0.9, "tiny": 0.1})
    graphs = {"cnn": blob_graph(3.0), "tiny": blob_graph(1.5)}
    write_bundle(make_manifest(), graphs, tmp_path / "cv/fold2/bundle")
    with pytest.raises(ConfigError, match="fold2: an expert of it is none of the bundle"):
        fold_experts(tmp_path / "cv", rank_labels(studies, file))


def test_the_whole_page(work: Path) -> None:
    out = work / "review"
    message = _ulna(work / "table.csv", "--from", work / "cv", "--out", out, "--top", 7)
    assert "flagged" in message.stdout and "review.html" in message.stdout
    assert "No heat maps" not in message.output
    page = (out / "review.html").read_text()
    assert page.count('class="entry"') == 7 and "with map" in page and "+5.0 logits" in page
    with (out / "review.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == N and [int(r["rank"]) for r in rows] == list(range(1, N + 1))
    assert all(Path(p).is_file() for p in rows[0]["images"].split("; "))


def test_experts_that_have_learned_from_a_study_are_refused(work: Path) -> None:
    file = work / "cv/evaluation/predictions.csv"
    text = file.read_text().replace("fold0", "foldx").replace("fold1", "fold0")
    file.write_text(text.replace("foldx", "fold1"))
    reported = _ulna(work / "table.csv", "--from", work / "cv", "--out", work / "review", code=2)
    assert "has learned from" in reported.stderr and "run `ulna crossval` again" in reported.stderr
    assert not (work / "review").exists()


def test_an_image_that_is_gone_leaves_the_others(work: Path) -> None:
    out = work / "review"
    _ulna(work / "table.csv", "--from", work / "cv", "--out", out, "--top", 1)
    with (out / "review.csv").open(newline="") as handle:
        first = next(csv.DictReader(handle))["images"].split("; ")
    for path in first:
        Path(path).write_bytes(b"not an image")
    _ulna(work / "table.csv", "--from", work / "cv", "--out", out, "--top", 3)
    assert "cannot be shown" in (out / "review.html").read_text()
