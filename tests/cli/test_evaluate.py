"""`ulna evaluate --include`: results of other commands in report and receipt, or refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.calls import ulna
from tests.report.page_checker import Checker
from tests.runtime.analytic_bundle import FINE, write_analytic

N = 24


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A table of images in two regions, a bright square in the box of every abnormal one; answers
    to it out of fold; a bundle that reads brightness."""
    columns = ["path", "patient_id", "study_id", "body_part", "abnormal", "boxes"]
    with (
        (tmp_path / "table.csv").open("w", newline="") as table,
        (tmp_path / "predictions.csv").open("w", newline="") as answers,
    ):
        data, message = csv.writer(table), csv.writer(answers)
        data.writerow(columns)
        message.writerow(
            ["study", "patient", "body_part", "split", "abnormal", "study_probability"]
        )
        for i in range(N):
            rng = np.random.default_rng(i)
            image, label, part = (
                rng.uniform(40, 60, (84, 70)),
                i % 2,
                ("ELBOW", "WRIST")[i // 2 % 2],
            )
            if label:
                image[20:30, 2 * i : 2 * i + 10] = 250
            Image.fromarray(image.astype(np.uint8)).save(tmp_path / f"{i}.png")
            box = f"[[{2 * i}, 20, 10, 10]]" if label else ""
            patient = f"patient{i:05}"
            data.writerow([f"{i}.png", patient, f"study{i}", part, label, box])
            p = 0.9 - 0.8 * (label ^ (i != 7))
            key = f"{part}/{patient}/study{i}"
            message.writerow([key, patient, part, f"fold{i % 2}", label, 1 - p])
    write_analytic(tmp_path / "bundle", [FINE])
    return tmp_path


def _ask(work: Path, verb: str, out: str, *more: object) -> tuple[object, ...]:
    given = (work / "table.csv", "--bundle", work / "bundle", "--split", "all")
    return (verb, *given, "--out", work / out, *more)


def test_an_examination_is_in_report_and_receipt_and_compared(work: Path) -> None:
    ulna(*_ask(work, "examine", "examination", "--studies", 4))
    result = json.loads((work / "examination/examination.json").read_text())
    ulna(*_ask(work, "evaluate", "out", "--include", work / "examination"))
    page = (work / "out/report.html").read_text("utf-8")
    assert 'id="examine"' in page and f"{result['pointing']['map']['value']:.3f}" in page
    assert "Made with bundle" not in page and "Not stressed" in page
    assert "examination.png" not in page and "Examined radiographs" in page
    checks = json.loads(ulna("verify", work / "out", "--json").stdout)["checks"]
    assert {c["what"] for c in checks if "(read)" in c["what"]} == {
        f"examine: {n} (read)" for n in ("examination.json", "examination.png", "receipt.json")
    }
    with (work / "examination/examination.png").open("ab") as picture:
        picture.write(b"more")
    reported = ulna("verify", work / "out", code=9).stderr
    assert "examine: examination.png (read)" in reported
    refused = ulna(*_ask(work, "evaluate", "new", "--include", work / "examination"), code=9)
    assert "examination.png: SHA-256" in refused.stderr and not (work / "new").exists()


def test_a_folder_of_anything_else_is_refused_before_all_work(work: Path) -> None:
    reported = ulna(*_ask(work, "evaluate", "out", "--include", work / "bundle"), code=2).stderr
    assert "manifest.json" in reported and "stress.json (`ulna stress`)" in reported
    assert "evaluating" not in reported and not (work / "out").exists()


@pytest.mark.slow
def test_the_results_of_every_command_can_be_included(work: Path) -> None:
    pytest.importorskip("cleanlab", reason="needs the extra review")
    ulna("audit", work / "table.csv", "--out", work / "audit", "--epochs", 2, "--size", 32)
    ulna(*_ask(work, "examine", "examination", "--studies", 4))
    ulna(*_ask(work, "stress", "stress", "--studies", 4))
    ulna("review", work / "table.csv", "--from", work / "predictions.csv",
         "--out", work / "review")  # fmt: skip
    ulna(*_ask(work, "evaluate", "first"))
    with (work / "labels.csv").open("w") as labels:
        for i in range(N):
            part, kind = ("ELBOW", "WRIST")[i // 2 % 2], ("negative", "positive")[i % 2]
            labels.write(f"MURA-v1.1/valid/XR_{part}/patient{i:05}/study{i}_{kind}/,{i % 2}\n")
    ulna("score", "--labels", work / "labels.csv", "--predictions", work / "first/predictions.csv",
         "--out", work / "score")  # fmt: skip
    names = ("audit", "examination", "stress", "review", "score")
    included = [x for n in names for x in ("--include", work / n)]
    ulna(*_ask(work, "evaluate", "out", *included))
    page = (work / "out/report.html").read_text("utf-8")
    for verb in ("stress", "examine", "review", "score", "audit"):
        assert f'<h2 id="{verb}">' in page
    assert "Not in this report" not in page and "Scored from a table" not in page
    assert "Made with bundle" not in page and "the origin of these numbers" not in page
    checker = Checker()
    checker.feed(page)
    assert checker.open == [] and "http" not in page
    ulna("verify", work / "out")
