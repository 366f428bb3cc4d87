"""`ulna verify`: an unchanged folder passes; every alteration is found and named."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.calls import ulna
from tests.evaluation.synthetic_studies import write_blob_bundle, write_studies

from ulna.digest import file_sha256


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, a table of 24 studies, and their evaluation."""
    work = tmp_path_factory.mktemp("verify")
    write_blob_bundle(work / "bundle")
    lines = ["path,patient_id,study_id,body_part,abnormal,split"]
    for s in write_studies(work, 24):
        about = f"{s.patient_id},{s.study_id},{s.body_part},{int(bool(s.abnormal))},valid"
        lines += [f"{i.path.name},{about}" for i in s.images]
    (work / "table.csv").write_text("\n".join(lines) + "\n")
    bundle = work / "bundle"
    ulna("evaluate", work / "table.csv", "--bundle", bundle, "--out", work / "evaluation")
    return work


@pytest.fixture
def work(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may alter."""
    return Path(shutil.copytree(made, tmp_path / "work"))


def _verify(work: Path, *options: object, code: int = 0) -> dict[str, dict[str, object]]:
    done = ulna("verify", work / "evaluation", "--json", *options, code=code)
    result = json.loads(done.stdout)
    assert result["equal"] is (code == 0)
    return {c["what"]: c for c in result["checks"]}


def _all(work: Path) -> list[object]:
    return ["--data", work / "table.csv", "--bundle", work / "bundle"]


def _differing(checks: dict[str, dict[str, object]]) -> set[str]:
    return {name for name, c in checks.items() if c["equal"] is False}


def test_untouched_is_equal_in_all(work: Path) -> None:
    checks = _verify(work, *_all(work))
    assert {c["equal"] for c in checks.values()} == {True}
    assert "24 of 24 studies" in str(checks["probabilities predicted again"]["message"])
    assert _verify(work, *_all(work)) == checks
    few = _verify(work, *_all(work), "--studies", 5)
    assert "5 of 24 studies" in str(few["probabilities predicted again"]["message"])
    assert "metrics.json" in ulna("verify", work / "evaluation" / "receipt.json").stdout


def test_refused_views_are_scored_counted_and_verified(work: Path) -> None:
    names = ["study0_0.png", "study1_0.png", "study1_1.png"]  # one view, and all of a study
    for name in names:
        with Image.open(work / name) as image:
            grey = np.asarray(image.convert("L"))
        coloured = np.stack([grey // 4] * 3, axis=-1)
        for channel in range(3):  # a hue for each third, unlike the tint of a scan
            coloured[channel::3, :, channel] = np.maximum(grey[channel::3], 120)
        Image.fromarray(coloured).save(work / name)
    shutil.rmtree(work / "evaluation")
    out = work / "evaluation"
    ulna("evaluate", work / "table.csv", "--bundle", work / "bundle", "--out", out)
    metrics = json.loads((out / "metrics.json").read_text())
    assert (metrics["n_refused_images"], metrics["n_refused_studies"]) == (3, 1)
    assert metrics["n_scored"] == 24
    checks = _verify(work, *_all(work))
    assert {c["equal"] for c in checks.values()} == {True}


def test_the_receipt_records_how_it_was_made(work: Path) -> None:
    text = (work / "evaluation/receipt.json").read_text()
    receipt = json.loads(text)
    assert receipt["command"][:2] == ["ulna", "evaluate"]
    assert receipt["method"]["draws"] == 2000 and receipt["method"]["seed"] == 0
    assert {"ulna", "python", "numpy", "onnxruntime", "commit"} <= set(receipt["code"])
    assert receipt["data"]["n_studies"] == 24 and receipt["data"]["name"] == "table.csv"
    manifest = json.loads((work / "bundle/manifest.json").read_text())
    assert receipt["bundles"] == {"": manifest["hash"]}
    assert set(receipt["files"]) == {"metrics.json", "predictions.csv", "report.html"}
    assert not [v for k, v in receipt.items() if k != "command" and str(work.parent) in str(v)]


def _edit(work: Path, column: str, value: str) -> None:
    """Change a study's cells, and the hash of the table in the receipt."""
    file = work / "evaluation/predictions.csv"
    with file.open(newline="") as handle:
        lines = list(csv.DictReader(handle))
    for line in lines:
        if line["study"] == lines[0]["study"]:
            line[column] = value
    with file.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def _vouch(work: Path, name: str) -> None:
    file = work / "evaluation/receipt.json"
    receipt = json.loads(file.read_text())
    receipt["files"][name] = file_sha256(work / "evaluation" / name)
    file.write_text(json.dumps(receipt))


@pytest.mark.parametrize("column", ["study_probability", "abnormal"])
def test_an_altered_prediction_or_label_is_found_even_with_an_altered_receipt(
    work: Path, column: str
) -> None:
    _edit(work, column, "0.4321" if column == "study_probability" else "1")
    changed = {"predictions.csv", "numbers of metrics.json"}
    assert _differing(_verify(work, code=9)) == changed
    _vouch(work, "predictions.csv")
    again = "labels of the data" if column == "abnormal" else "probabilities predicted again"
    assert _differing(_verify(work, *_all(work), code=9)) == {"numbers of metrics.json", again}


def test_an_altered_number_is_named(work: Path) -> None:
    file = work / "evaluation/metrics.json"
    metrics = json.loads(file.read_text())
    metrics["by_body_part"]["ALL"]["auroc"]["low"] += 0.002
    file.write_text(json.dumps(metrics))
    _vouch(work, "metrics.json")
    message = ulna("verify", work / "evaluation", code=9)
    assert "by_body_part.ALL.auroc.low" in message.stdout.replace("\n", "").replace(" ", "")
    assert "1 of" in message.stderr and "run its command again" in message.stderr


def test_another_label_image_or_bundle_is_found(work: Path) -> None:
    table = work / "table.csv"
    text = table.read_text()
    table.write_text(text.replace("study0,ELBOW,0", "study0,ELBOW,1"))
    result = _differing(_verify(work, "--data", table, code=9))
    assert result == {"labels of the data", "contents of the data"}
    table.write_text(text)
    image = work / "study3_0.png"
    image.write_bytes((work / "study4_0.png").read_bytes())
    result = _differing(_verify(work, "--data", table, "--bundle", work / "bundle", code=9))
    assert "contents of the data" in result
    graph = work / "bundle/cnn.onnx"
    graph.write_bytes(graph.read_bytes() + b"\0")
    checks = _verify(work, "--bundle", work / "bundle", code=9)
    assert "damaged" in str(checks["bundle"]["message"])


def test_a_missing_file_is_a_difference_and_no_receipt_an_error(work: Path) -> None:
    (work / "evaluation/report.html").unlink()
    checks = _verify(work, code=9)
    assert "copy it again" in str(checks["report.html"]["message"])
    (work / "evaluation/receipt.json").unlink()
    message = ulna("verify", work / "evaluation", code=2).stderr
    assert "no receipt" in message and "again" in message


def test_scores_of_the_competition_are_recomputed(tmp_path: Path) -> None:
    lines = [
        f"MURA-v1.1/valid/XR_WRIST/patient{i:05}/study1_negative/,{int(i % 3 == 0)}"
        for i in range(30)
    ]
    for name in ("labels", "answers"):
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    files = ["--labels", tmp_path / "labels.csv", "--predictions", tmp_path / "answers.csv"]
    ulna("score", *files, "--out", tmp_path / "out")
    assert "numbers of score.json" in ulna("verify", tmp_path / "out").stdout
    file = tmp_path / "answers.csv"
    file.write_text(file.read_text().replace("negative/,0", "negative/,1", 1))
    message = json.loads(ulna("verify", tmp_path / "out", "--json", code=9).stdout)
    assert {c["what"] for c in message["checks"] if c["equal"] is False} == {
        "predictions (read)",
        "numbers of score.json",
    }
