"""Stress: the clean answer is the Predictor's, differences are paired, views are left out."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, recall_score, roc_auc_score
from tests.evaluation.synthetic_studies import write_studies

from ulna.bundle import ModelBundle
from ulna.config.engine import EngineSettings
from ulna.errors import ConfigError, DatasetError, DatasetWarning
from ulna.evaluation.collect import collect_rows
from ulna.evaluation.scores import Resampling, Sample
from ulna.report.writers import stress_writer
from ulna.robustness.stress import stress
from ulna.robustness.stress.answers import answer_stressed, conditions
from ulna.robustness.stress.breaks import where_it_breaks
from ulna.robustness.stress.paired import MEASURES, compare_answers
from ulna.robustness.stress.pipeline import StressPlan
from ulna.robustness.stress.sample import stratified_sample
from ulna.robustness.stress.views import leave_one_view_out, score_left_out
from ulna.runtime import Predictor
from ulna.types import BodyPart, ImageRef, Study

POINT = "specificity_0.90"
HOW = Resampling(200, 0)


@pytest.fixture
def studies(tmp_path: Path) -> list[Study]:
    """36 studies of two views; every fifth has lost one, one has a third."""
    made = write_studies(tmp_path, 36)
    made = [replace(s, images=s.images[: 1 + (k % 5 > 0)]) for k, s in enumerate(made)]
    made[1] = replace(made[1], images=(*made[1].images, made[3].images[0]))
    return made


@pytest.fixture
def predictor(blob_bundle: ModelBundle) -> Predictor:
    return Predictor.load(blob_bundle.path, EngineSettings(threads=1))


def test_unchanged_images_get_the_answers_of_the_predictor(
    predictor: Predictor, studies: list[Study]
) -> None:
    some = [replace(studies[0], body_part=None), *studies[1:6]]
    answers = answer_stressed(predictor, some, POINT, seed=0)
    expected = [predictor.predict(s, POINT) for s in some]
    assert answers.clean.probability.tolist() == [e.probability for e in expected]
    assert answers.clean.decision is not None
    assert answers.clean.decision.tolist() == [e.abnormal for e in expected]
    assert list(answers.corrupted) == conditions()
    assert answers.n_images == sum(len(s.images) for s in some)


def test_a_seed_decides_every_answer(predictor: Predictor, studies: list[Study]) -> None:
    first, again, other = (
        answer_stressed(predictor, studies[:2], POINT, seed) for seed in (5, 5, 6)
    )
    for condition in conditions():
        np.testing.assert_array_equal(
            first.corrupted[condition].probability, again.corrupted[condition].probability
        )
    noise = ("quantum_noise", 3)
    assert (first.corrupted[noise].probability != other.corrupted[noise].probability).any()


def make_samples() -> tuple[Sample, Sample]:
    rng = np.random.default_rng(8)
    abnormal = rng.random(80) < 0.5
    clean = np.clip(0.3 + 0.35 * abnormal + rng.normal(0, 0.15, 80), 0, 1)
    other = np.clip(clean + rng.normal(0, 0.15, 80), 0, 1)
    patients = [f"p{k // 2}" for k in range(80)]
    return (
        Sample(patients, abnormal, clean, clean >= 0.5),
        Sample(patients, abnormal, other, other >= 0.5),
    )


def test_differences_are_those_of_scikit_learn() -> None:
    clean, other = make_samples()
    result = compare_answers(clean, other, HOW)
    truth = clean.abnormal

    def scores(sample: Sample) -> dict[str, float]:
        return {
            "auroc": roc_auc_score(truth, sample.probability),
            "sensitivity": recall_score(truth, sample.decision),
            "specificity": recall_score(~truth, ~np.asarray(sample.decision)),
            "kappa": cohen_kappa_score(truth, sample.decision),
        }

    before, after = scores(clean), scores(other)
    for name in MEASURES:
        assert result[name]["value"] == pytest.approx(after[name])
        assert result[f"{name}_change"]["value"] == pytest.approx(after[name] - before[name])
    moved = np.abs(other.probability - clean.probability).mean()
    assert result["mean_shift"]["value"] == pytest.approx(moved)
    flips = np.mean(np.asarray(other.decision) != np.asarray(clean.decision))
    assert result["decisions_flipped"]["value"] == pytest.approx(flips)


def test_intervals_are_paired() -> None:
    clean, other = make_samples()
    same = compare_answers(clean, clean, HOW)
    for name in MEASURES:
        assert same[f"{name}_change"] == {"value": 0, "low": 0, "high": 0}
    result = compare_answers(clean, other, HOW)
    change, value = result["auroc_change"], result["auroc"]
    assert change["high"] - change["low"] < 1.3 * (value["high"] - value["low"])


def test_sample_is_in_proportion_whatever_the_order(studies: list[Study]) -> None:
    first = stratified_sample(studies, 18, seed=2)
    assert len(first) == 18
    assert max(Counter((s.body_part, s.abnormal) for s in first).values()) == 3
    assert [s for s in studies if s in first] == first
    turned = stratified_sample(studies[::-1], 18, seed=2)
    assert {s.key for s in turned} == {s.key for s in first}
    assert {s.key for s in stratified_sample(studies, 18, seed=3)} != {s.key for s in first}
    assert stratified_sample(studies, 99, seed=2) == studies


def test_without_a_view_the_study_is_the_mean_of_the_others(
    predictor: Predictor, studies: list[Study]
) -> None:
    rows, _ = collect_rows(predictor, studies, POINT)
    result = leave_one_view_out(predictor, studies, rows, POINT)
    assert len(result) == sum(len(s.images) for s in studies if len(s.images) > 1)
    by_key = {r.key: r for r in rows}
    place: Counter[str] = Counter()
    for left in result:
        images = by_key[left.key].images
        p = [i.probability for i in images]
        closed = (sum(p) - p[place[left.key]]) / (len(p) - 1)
        place[left.key] += 1
        given = by_key[left.key].given
        assert given is not None
        threshold = given.threshold
        assert left.after == pytest.approx(closed, abs=1e-6)
        assert left.flipped == ((closed >= threshold) != (left.before >= threshold))
    assert {left.views for left in result} == {2, 3}


def test_left_out_views_in_numbers(predictor: Predictor, studies: list[Study]) -> None:
    rows, _ = collect_rows(predictor, studies, POINT)
    result = leave_one_view_out(predictor, studies, rows, POINT)
    scores = score_left_out(result, rows, HOW)
    single = sum(len(s.images) == 1 for s in studies)
    assert (scores["n_studies"], scores["n_single_view"]) == (36, single)
    assert scores["n_several_views"] == 36 - single
    assert scores["mean_shift"]["value"] == pytest.approx(np.mean([abs(v.change) for v in result]))
    flipped = {v.key for v in result if v.flipped}
    assert scores["studies_flipped"]["value"] == pytest.approx(len(flipped) / (36 - single))
    assert scores["by_view"]["PA"]["n"] == len(result)
    alone = [s for s in studies if len(s.images) == 1]
    alone_rows = [r for r in rows if len(r.images) == 1]
    assert leave_one_view_out(predictor, alone, alone_rows, POINT) == []
    assert score_left_out([], alone_rows, HOW)["n_left_out"] == 0


def test_an_unreadable_view_is_no_view(
    predictor: Predictor, studies: list[Study], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nothing")
    study = replace(studies[2], images=(*studies[2].images[:1], ImageRef(bad)))
    rows, remarks = collect_rows(predictor, [study], POINT)
    assert leave_one_view_out(predictor, [study], rows, POINT) == []
    assert any("bad.png" in s for s in remarks)
    with pytest.warns(match=r"bad\.png"):
        expected = predictor.predict(study, POINT).probability
    answers = answer_stressed(predictor, [study], POINT, 0)
    assert answers.clean.probability.tolist() == [expected]


def level(severity: int, high: float, flips: float) -> dict[str, object]:
    change = {"value": high - 0.1, "low": high - 0.2, "high": high}
    return {
        "severity": severity,
        "amount_text": f"{severity} px",
        "auroc": {"value": 0.8, "low": 0.7, "high": 0.9},
        "auroc_change": change,
        "decisions_flipped": {"value": flips, "low": 0.0, "high": 1.0},
    }


def test_it_breaks_at_the_first_severity_that_does_harm() -> None:
    corruptions = {
        "drop": [level(1, 0.01, 0.05), level(2, -0.01, 0.0), level(3, -0.1, 0.5)],
        "flips": [level(1, 0.01, 0.06)],
        "never": [level(1, 0.01, 0.0), level(2, 0.02, 0.05)],
    }
    rows = {r["name"]: r for r in where_it_breaks(corruptions, {"study": {}})}
    keys = ("severity", "auroc_from", "decisions_from", "amount_text")
    assert [rows["drop"][k] for k in keys] == [2, 2, 3, "2 px"]
    assert [rows["flips"][k] for k in keys] == [1, None, 1, "1 px"]
    assert [rows["never"][k] for k in keys] == [None, None, None, "2 px"]


def run(studies: list[Study], bundle: ModelBundle, out: Path) -> dict[str, Any]:
    return stress(
        bundle.path,
        studies,
        out,
        StressPlan(studies=6, resampling=Resampling(50, 0)),
        stress_writer(),
    )


@pytest.mark.slow
def test_the_files_agree_and_the_docs_explain_every_key(
    blob_bundle: ModelBundle, studies: list[Study], tmp_path: Path, repository: Path
) -> None:
    result = run(studies, blob_bundle, tmp_path / "out")
    assert result == json.loads((tmp_path / "out" / "stress.json").read_text())
    assert result["sample"]["n_studies"] == 6
    with (tmp_path / "out" / "stress.csv").open(newline="") as handle:
        lines = list(csv.DictReader(handle))
    level = result["corruptions"]["blur"][4]
    line = next(
        x for x in lines if (x["name"], x["group"], x["measure"]) == ("blur", "5", "mean_shift")
    )
    assert float(line["value"]) == pytest.approx(level["mean_shift"]["value"], rel=1e-5)
    assert {x["part"] for x in lines} >= {"clean", "corruption", "leave_one_view_out"}
    page = (tmp_path / "out" / "stress.html").read_text()
    assert page.index("Where it breaks") < page.index('id="curves"')
    assert "http" not in page.replace("http-equiv", "")
    assert (tmp_path / "out" / "stress.png").read_bytes().startswith(b"\x89PNG")
    text = (repository / "docs" / "stress.md").read_text(encoding="utf-8")
    keys = set(result) | set(result["corruptions"]) | set(result["leave_one_view_out"])
    keys |= set(result["corruptions"]["blur"][0]) | set(result["where_it_breaks"][0])
    missing = sorted(k for k in keys if f"`{k}`" not in text and not k.endswith("_change"))
    assert missing == []


def test_what_cannot_be_stressed_is_an_error(
    blob_bundle: ModelBundle, studies: list[Study], tmp_path: Path
) -> None:
    other = [replace(s, body_part=BodyPart.HAND) for s in studies]
    meant = [replace(s, label_means="fracture") for s in other]
    warned = pytest.warns(DatasetWarning, match="stress: these labels are used .* means fracture")
    with warned, pytest.raises(DatasetError, match="none of 36 studies can be scored"):
        run(meant, blob_bundle, tmp_path / "out")
    with pytest.raises(DatasetError, match="none of 36 studies can be scored"):
        run(other, blob_bundle, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="operating point 'best'"):
        stress(
            blob_bundle.path,
            studies,
            tmp_path / "out",
            StressPlan(operating_point="best"),
            stress_writer(),
        )


@pytest.mark.slow
def test_one_class_only_is_scored_without_auroc(
    blob_bundle: ModelBundle, studies: list[Study], tmp_path: Path
) -> None:
    normal = [s for s in studies if not s.abnormal]
    result = run(normal, blob_bundle, tmp_path / "out")
    assert result["clean"]["auroc"]["value"] is None
    assert any("one class" in w for w in result["warnings"])


@pytest.mark.slow
def test_single_views_only(blob_bundle: ModelBundle, studies: list[Study], tmp_path: Path) -> None:
    single = [replace(s, images=s.images[:1]) for s in studies]
    result = run(single, blob_bundle, tmp_path / "out")
    assert result["not_grouped"]["views"] == "all single"
    page = (tmp_path / "out" / "stress.html").read_text()
    assert "a single one" in page
