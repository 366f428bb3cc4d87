"""`ulna review` of a table of predictions: list, page, JSON, and errors."""

from __future__ import annotations

import csv
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.calls import ulna

from ulna.experiments import extras

pytest.importorskip("cleanlab", reason="needs the extra review")

N = 60
WRONG = {7, 20, 41}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A table of small images, three of whose labels are wrong, and out-of-fold predictions."""
    rng = np.random.default_rng(0)
    with (
        (tmp_path / "table.csv").open("w", newline="") as table,
        (tmp_path / "predictions.csv").open("w", newline="") as answers,
    ):
        data, message = csv.writer(table), csv.writer(answers)
        data.writerow(["path", "patient_id", "study_id", "body_part", "abnormal"])
        message.writerow(
            ["study", "patient", "body_part", "split", "abnormal", "study_probability"]
        )
        for i in range(N):
            label, part = i % 2, ("HAND", "ELBOW")[i // 2 % 2]
            image = f"image{i}.png"
            Image.fromarray(rng.integers(0, 255, (40, 30), np.uint8)).save(tmp_path / image)
            p = rng.uniform(0.7, 0.9) if label else rng.uniform(0.1, 0.3)
            if i in WRONG:
                p = 0.99 - 0.98 * label
            data.writerow([image, f"p{i}", f"s{i}", part, label])
            message.writerow([f"{part}/p{i}/s{i}", f"p{i}", part, f"fold{i % 5}", label, p])
    return tmp_path


def _given(work: Path, *more: object) -> list[object]:
    options = ["--from", work / "predictions.csv", "--out", work / "review", *more]
    return [work / "table.csv", *options]


def test_wrong_labels_lead_the_list(work: Path) -> None:
    result = json.loads(ulna("review", *_given(work, "--json", "--top", 5)).stdout)
    assert {int(s["study"].rpartition("/s")[2]) for s in result["head"][:3]} == WRONG
    assert [s["flagged"] for s in result["head"]] == [True] * 3 + [False] * 2
    assert result["n_studies"] == N and result["n_flagged"] == 3 and result["heat_maps"] is False
    assert set(result["by_body_part"]) == {"ELBOW", "HAND"}
    with (work / "review/review.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [int(r["rank"]) for r in rows] == list(range(1, N + 1))
    assert [r["study"] for r in rows[:5]] == [s["study"] for s in result["head"]]


def test_text_and_page_report_missing_maps(work: Path) -> None:
    done = ulna("review", *_given(work, "--top", 4))
    assert "read again first" in done.stdout and "review.html" in done.stdout
    assert "note: No heat maps" in done.stderr
    page = (work / "review/review.html").read_text()
    assert "No heat maps" in page and page.count('class="entry"') == 4
    ulna("verify", work / "review")
    (work / "review/review.csv").write_text("")
    assert "review.csv" in ulna("verify", work / "review", code=9).stderr


def test_what_cannot_be_reviewed_is_refused(work: Path) -> None:
    table, file, out = work / "table.csv", work / "predictions.csv", work / "review"
    gone = ulna("review", table, "--from", work / "none", "--out", out, code=2)
    assert "no predictions.csv" in gone.stderr and "ulna crossval" in gone.stderr
    assert "no such file" in ulna("review", work / "no.csv", *_given(work)[1:], code=3).stderr
    text = file.read_text()
    file.write_text(text.replace("fold3", "train"))
    seen = ulna("review", *_given(work), code=3).stderr
    assert "12 of 60 answers are not out of fold" in seen and "'train'" in seen
    file.write_text(text.replace("/p", "/q"))
    assert "none of its 60 studies" in ulna("review", *_given(work), code=3).stderr
    assert not out.exists()
    file.write_text(text)
    out.write_text("a file")
    assert (
        "is a file: expected the name of a folder" in ulna("review", *_given(work), code=2).stderr
    )


def test_the_extra_is_named(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> object:
        return None if name == "cleanlab" else find_spec(name)

    monkeypatch.setattr(extras, "find_spec", find)
    reported = ulna("review", *_given(work), code=8)
    assert "pip install 'ulna[review]'" in reported.stderr
