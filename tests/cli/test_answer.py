"""Answers as rows and notes, and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tests.runtime.predictions import named, prediction

from ulna.cli.answer import COLUMNS, answer_notes, answer_row, outcome_notes, outcome_row
from ulna.errors import ImageError
from ulna.runtime.answer_json import Outcome, answer_json, outcome_json
from ulna.runtime.pictures import write_heat_maps


def test_row_fits_its_columns(tmp_path: Path) -> None:
    row = answer_row(prediction(tmp_path), 0.1)
    assert len(row) == len(COLUMNS)
    assert row[1:3] == ["WRIST (recognised)", "ABNORMAL"]
    assert row[COLUMNS.index("triage")] == "-"
    sure = replace(prediction(tmp_path), p_normal=0.02, p_abnormal=0.4)
    assert answer_row(sure, 0.1)[COLUMNS.index("triage")] == "abnormal"
    assert answer_row(sure, 0.01)[COLUMNS.index("triage")] == "refer"
    message = json.loads(json.dumps(answer_json(sure, 0.1)))
    assert (message["triage"], message["p_normal"], message["error_rate"]) == (
        "abnormal",
        0.02,
        0.1,
    )


def test_the_answer_names_the_finding_and_the_meaning_of_its_label(tmp_path: Path) -> None:
    message = json.loads(json.dumps(answer_json(named(tmp_path), 0.1), allow_nan=False))
    assert message["abnormal_means"] == "fracture" and message["leading_finding"] == "hardware"
    assert message["finding_probabilities"] == {"fracture": 0.5, "hardware": 0.3}
    assert message["finding_thresholds"] == {"fracture": 0.6, "hardware": 0.2}
    assert message["called_findings"] == message["images"][0]["called_findings"] == ["hardware"]
    assert message["images"][0]["findings"][0]["category"] == "hardware"
    row = dict(zip(COLUMNS, answer_row(named(tmp_path), 0.1), strict=True))
    assert (row["answer"], row["triage"]) == ("FRACTURE", "fracture")
    assert (row["finding"], row["regions"]) == ("hardware 0.30", "2: 2 hardware")
    normal = replace(named(tmp_path), abnormal=False, leading_finding=None, p_normal=0.9)
    row = dict(zip(COLUMNS, answer_row(normal, 0.5), strict=True))
    assert (row["answer"], row["triage"], row["finding"]) == ("no fracture", "no fracture", "-")
    refused = answer_json(replace(named(tmp_path), refused="no image"), 0.1)
    assert refused["finding_probabilities"] == {} and refused["called_findings"] == []


def test_a_study_without_an_answer_has_the_same_keys_and_columns(tmp_path: Path) -> None:
    plain = prediction(tmp_path)
    lost = Outcome(plain.study, fault=ImageError("gone: expected it there"))
    message, full = outcome_json(lost, 0.1), outcome_json(Outcome(plain.study, plain), 0.1)
    assert list(message) == list(full) and full["error"] is None
    assert message["error"] == "gone: expected it there" and message["probability"] is None
    json.dumps(message, allow_nan=False)
    assert len(outcome_row(lost, 0.1)) == len(COLUMNS) and "NO ANSWER" in outcome_row(lost, 0.1)
    assert outcome_notes(lost) == ["s 1: no answer: gone: expected it there"]


def test_a_refused_study_has_a_reason_and_no_answer(tmp_path: Path) -> None:
    whole = prediction(tmp_path)
    image = replace(whole.images[0], refusal="blank", ood_distance=3.0)
    refused = replace(whole, refused="blank", images=(image,), flags=("a flag",), p_normal=None)
    data = json.loads(json.dumps(answer_json(refused, 0.1)))
    assert data["refused"] == "blank" and data["flags"] == ["a flag"]
    assert data["abnormal"] is None and data["probability"] is None and data["experts"] == {}
    assert data["triage"] == "refer"
    assert data["images"][0]["refusal"] == "blank" and data["images"][0]["probability"] is None
    row = dict(zip(COLUMNS, answer_row(refused, 0.1), strict=True))
    assert (row["answer"], row["probability"], row["regions"]) == ("refused", "-", "0")
    assert answer_notes(refused) == ["s 1: refused: blank", "s 1: a flag"]
    assert write_heat_maps(refused, tmp_path / "maps", 4.0) == []
    assert answer_json(whole, 0.1)["refused"] is None


def test_experts_that_a_cascade_skipped_are_named(tmp_path: Path) -> None:
    whole = prediction(tmp_path)
    assert answer_json(whole, 0.1)["skipped_experts"] == [] and answer_notes(whole) == []
    early = replace(whole, experts={"cnn": 0.7}, skipped_experts=("vgg", "dense"))
    result = answer_json(early, 0.1)
    assert (result["skipped_experts"], list(result["experts"])) == (["vgg", "dense"], ["cnn"])
    assert answer_notes(early) == ["s 1: answered by cnn only; skipped: vgg, dense"]
