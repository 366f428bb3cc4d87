"""`ulna score`: the competition's keys as JSON, tables, and errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from tests.cli.calls import ulna


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(2)
    labels, answers = tmp_path / "valid_labeled_studies.csv", tmp_path / "predictions.csv"
    with labels.open("w") as truth, answers.open("w") as message:
        for i in range(80):
            label = int(rng.random() < 0.4)
            name = "positive" if label else "negative"
            path = f"MURA-v1.1/valid/XR_WRIST/patient{i:05}/study1_{name}/"
            truth.write(f"{path},{label}\n")
            message.write(f"{path},{label ^ int(rng.random() < 0.15)}\n")
    return labels, answers


def _column(file: Path) -> list[int]:
    return [int(line.rpartition(",")[2]) for line in file.read_text().splitlines()]


def test_json_has_the_competitions_keys(files: tuple[Path, Path]) -> None:
    labels, answers = files
    result = json.loads(
        ulna("score", "--labels", labels, "--predictions", answers, "--json").stdout
    )
    kappa = cohen_kappa_score(_column(labels), _column(answers))
    assert result["Overall_Mean"] == result["Wrist_Mean"] == pytest.approx(kappa, abs=1e-12)
    assert result["Elbow_Mean"] is None and result["interval"] == "analytic"
    legacy = json.loads(
        ulna("score", "--labels", labels, "--predictions", answers, "--json", "--legacy-ci").stdout
    )
    assert legacy["Overall_Mean"] == result["Overall_Mean"]
    assert legacy["Overall_Lower"] > result["Overall_Lower"]
    assert result["details"]["Overall"]["standing"]["entries"] == 98


def test_tables_show_the_rank(files: tuple[Path, Path]) -> None:
    labels, answers = files
    message = ulna("score", "--labels", labels, "--predictions", answers).stdout
    assert "Wrist" in message and "rank of 98" in message and "legacy" not in message
    assert "much too narrow" in ulna(
        "score", "--labels", labels, "--predictions", answers, "--legacy-ci"
    ).stdout.replace("\n", " ")


def test_phantoms_have_no_rank(files: tuple[Path, Path]) -> None:
    labels, answers = files
    (labels.parent / "phantom.json").write_text("{}")
    message = ulna("score", "--labels", labels, "--predictions", answers).stdout
    assert "rank of 98" not in message and "cannot be compared with radiologists" in message


def test_what_cannot_be_scored(files: tuple[Path, Path]) -> None:
    labels, answers = files
    lines = answers.read_text().splitlines()
    answers.write_text("\n".join(lines[:-3]) + "\n")
    message = ulna("score", "--labels", labels, "--predictions", answers, code=3).stderr
    assert "3 of 80 labelled studies have no answer" in message
    answers.write_text("\n".join([*lines, lines[0].replace("XR_WRIST", "XR_HAND")]) + "\n")
    extra = ulna("score", "--labels", labels, "--predictions", answers).stderr
    assert "1 predictions are of studies without a label" in extra
