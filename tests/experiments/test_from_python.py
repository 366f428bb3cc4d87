"""Functions called from Python: without output, resumable, with receipts."""

from __future__ import annotations

import csv
import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.runtime.analytic_bundle import FINE, write_analytic

from ulna.errors import ConfigError, IncompleteError, UlnaWarning
from ulna.experiments import (
    check_scored,
    evaluate,
    named_command,
    predict,
    predict_table,
    stress,
    verify,
)
from ulna.runtime.answer_json import outcome_json

N = 24


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A table of images in two regions, half with a bright square; a bundle of brightness."""
    columns = ["path", "patient_id", "study_id", "body_part", "abnormal"]
    with (tmp_path / "table.csv").open("w", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(columns)
        for i in range(N):
            image = np.random.default_rng(i).uniform(40, 60, (84, 70))
            if i % 2:
                image[20:30, 2 * i : 2 * i + 10] = 250
            Image.fromarray(image.astype(np.uint8)).save(tmp_path / f"{i}.png")
            part = ("ELBOW", "WRIST")[i // 2 % 2]
            rows.writerow([f"{i}.png", f"patient{i:05}", f"study{i}", part, i % 2])
    write_analytic(tmp_path / "bundle", [FINE])
    return tmp_path


def test_scores_and_receipt_without_output(
    work: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    data, bundle, out = work / "table.csv", work / "bundle", work / "out"
    reported: list[tuple[str, int, int]] = []
    with caplog.at_level(logging.INFO, "ulna.experiments"):
        result = evaluate(data, bundle, out, split="all", progress=lambda *t: reported.append(t))
    assert result == json.loads((out / "metrics.json").read_text())
    assert reported[-1] == ("evaluate", N, N)
    assert "evaluating on 24 studies (all labelled studies)" in caplog.messages
    check_scored(result)
    checked = verify(out, data=data, bundle=bundle, studies=3)
    assert checked.receipt.command == ("python",) and not checked.wrong
    checked.check()
    with named_command(["python", "study.py"]):
        stress(data, bundle, work / "stress", studies=4, split="all", seed=1)
    assert verify(work / "stress").receipt.command == ("python", "study.py")
    assert capfd.readouterr() == ("", "")


def test_studies_without_an_answer_are_counted_and_raised_on_request(work: Path) -> None:
    (work / "3.png").write_bytes(b"no image")
    result = evaluate(work / "table.csv", work / "bundle", work / "out", split="all")
    with pytest.raises(IncompleteError, match=f"1 of {N} studies have no answer"):
        check_scored(result)
    check_scored({**result, "no_answer": []})
    with pytest.warns(UlnaWarning, match="2 images of answered studies"):
        check_scored({"n_unreadable_images": 2})


def test_answers_come_one_by_one_and_an_error_belongs_to_one_study(work: Path) -> None:
    images = [work / "0.png", work / "none.png", work / "1.png"]
    (work / "none.png").write_bytes((work / "1.png").read_bytes()[:100])
    each = predict(images, bundle=work / "bundle", body_part="WRIST", out=work / "maps")
    first, lost, last = each
    assert first.answer is not None and lost.answer is None and last.answer is not None
    assert "none.png" in lost.error and outcome_json(lost, 0.1)["error"] == lost.error
    assert len(list((work / "maps").rglob("*.png"))) == 2
    with pytest.raises(ConfigError, match="expected one of them"):
        predict(images, bundle=work / "bundle", body_part="WRIST", recognise=True)
    with pytest.raises(ConfigError, match="expected a folder for the maps"):
        predict(images, bundle=work / "bundle", finding_maps=True)


def test_a_table_is_predicted_once(work: Path) -> None:
    given = ([work / "table.csv"], work / "answers.csv")
    result = predict_table(*given, bundle=work / "bundle", workers=1)
    assert result.state.finished and result.n_studies == result.state.studies == N
    before = (work / "answers.csv").read_bytes()
    again = predict_table(*given, bundle=work / "bundle", workers=1)
    assert again.state.finished and (work / "answers.csv").read_bytes() == before


def test_the_package_is_imported_without_what_it_may_never_need() -> None:
    code = (
        "import sys, ulna.experiments as e\n"
        "[getattr(e, name) for name in e.__all__]\n"
        "print([m for m in ('click', 'rich', 'torch', 'matplotlib', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
