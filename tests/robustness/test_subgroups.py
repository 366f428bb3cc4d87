"""Subgroups: every metric on the subset, and the measures whose interval is below the rest's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import recall_score, roc_auc_score
from tests.evaluation.synthetic_studies import write_studies

from ulna.bundle import ModelBundle
from ulna.config.engine import EngineSettings
from ulna.evaluation.collect import collect_rows
from ulna.evaluation.rows import StudyRow
from ulna.evaluation.scores import Resampling, Sample, image_sample, study_sample
from ulna.robustness.stress.subgroups import image_values, score_subgroups, study_values
from ulna.runtime import Predictor
from ulna.types import FindingCategory, Study

HOW = Resampling(200, 0)


@pytest.fixture
def studies(tmp_path: Path) -> list[Study]:
    """36 studies of two views; every fifth has lost one."""
    made = write_studies(tmp_path, 36)
    return [replace(s, images=s.images[: 1 + (k % 5 > 0)]) for k, s in enumerate(made)]


@pytest.fixture
def rows(blob_bundle: ModelBundle, studies: list[Study]) -> list[StudyRow]:
    predictor = Predictor.load(blob_bundle.path, EngineSettings(threads=1))
    return collect_rows(predictor, studies, "specificity_0.90")[0]


def test_subgroups_are_scikit_learns_on_the_subset(
    studies: list[Study], rows: list[StudyRow]
) -> None:
    side = {s.key: "LR"[k % 3 > 1] for k, s in enumerate(studies)}
    values = study_values(studies, rows, {}, {"side": side})
    sample = study_sample(rows)
    result = score_subgroups(sample, values, HOW)
    assert set(result) == {"hardware", "views", "side"}
    for name, groups in result.items():
        for group, scores in groups.items():
            inside = np.array(values[name]) == group
            truth, p = sample.abnormal[inside], sample.probability[inside]
            assert scores["n"] == inside.sum() and scores["rest"]["n"] == (~inside).sum()
            if 0 < truth.sum() < len(truth):
                assert scores["auroc"]["value"] == pytest.approx(roc_auc_score(truth, p))
            else:
                assert scores["auroc"]["value"] is None
            decided = np.asarray(sample.decision)[inside]
            expected = recall_score(truth, decided)
            assert scores["sensitivity"]["value"] == pytest.approx(expected)
    hardware = [FindingCategory.HARDWARE in (s.categories or ()) for s in studies]
    assert result["hardware"]["yes"]["n"] == sum(hardware)
    assert result["views"]["single"]["n"] == sum(len(s.images) == 1 for s in studies)


def test_groups_of_images(studies: list[Study], rows: list[StudyRow]) -> None:
    paths = [i.ref.path for r in rows for i in r.images]
    traits = {
        p: {"view": "PA" if k % 2 else "LAT", "marker": "yes", "spacing_mm": str(0.1 + k / 100)}
        for k, p in enumerate(dict.fromkeys(paths))
    }
    values = image_values(rows, traits)
    result = score_subgroups(image_sample(rows), values, HOW)
    assert set(result) == {"view", "pixel size"}
    assert sum(g["n"] for g in result["view"].values()) == len(paths)
    assert abs(np.subtract(*(g["n"] for g in result["pixel size"].values()))) <= 2
    by_study = study_values(studies, rows, traits, {})
    assert set(by_study["marker"]) == {"yes"} and set(by_study["cast"]) == {""}


def test_a_group_below_the_rest_is_detected_and_chance_is_not() -> None:
    rng = np.random.default_rng(0)
    abnormal = np.tile([True, False], 100)
    decision = abnormal ^ (rng.random(200) < 0.03)
    decision[:80] ^= rng.random(80) < 0.35
    sample = Sample([f"p{k}" for k in range(200)], abnormal, decision * 0.8 + 0.1, decision)
    values = {"cast": ["yes"] * 80 + ["no"] * 120, "few": ["a"] * 6 + ["b"] * 194}
    result = score_subgroups(sample, values, HOW)
    assert result["cast"]["yes"]["below_rest"] == ["auroc", "sensitivity", "specificity"]
    assert result["cast"]["no"]["below_rest"] == []
    assert result["few"]["a"]["below_rest"] == result["few"]["b"]["below_rest"] == []


def test_a_perfect_rest_of_a_few_is_no_proof() -> None:
    """For 12 without an error the interval is 1 to 1, yet an error rate of 3/12 is possible."""
    abnormal = np.zeros(112, np.bool_)
    decision = np.zeros(112, np.bool_)
    decision[:10] = True
    sample = Sample([f"p{k}" for k in range(112)], abnormal, decision * 1.0, decision)
    values = {"inverted": ["no"] * 100 + ["yes"] * 12}
    assert score_subgroups(sample, values, HOW)["inverted"]["no"]["below_rest"] == []
