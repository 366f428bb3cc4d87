"""Scores computed from rows, against the metric functions."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as reference
from tests.evaluation.synthetic_studies import PARTS

from ulna.evaluation.compare import verdict
from ulna.evaluation.rows import StudyRow
from ulna.evaluation.scores import Resampling
from ulna.evaluation.summary import summarise
from ulna.types import Subtlety

MakeRows = Callable[[int], list[StudyRow]]
HOW = Resampling(draws=50, seed=1)


def arrays(rows: list[StudyRow]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.array([r.abnormal for r in rows]),
        np.array([r.given.probability for r in rows]),
        np.array([r.given.abnormal for r in rows]),
    )


def test_values_equal_scikit_learn(make_rows: MakeRows) -> None:
    rows = make_rows(60)
    truth, score, decision = arrays(rows)
    result = summarise(rows, PARTS, HOW)["by_body_part"]["ALL"]
    assert result["auroc"]["value"] == pytest.approx(reference.roc_auc_score(truth, score))
    assert result["sensitivity"]["value"] == pytest.approx(reference.recall_score(truth, decision))
    assert result["kappa"]["value"] == pytest.approx(reference.cohen_kappa_score(truth, decision))
    assert result["brier"]["value"] == pytest.approx(reference.brier_score_loss(truth, score))
    tn, fp, fn, tp = reference.confusion_matrix(truth, decision).ravel()
    assert result["confusion"] == {"tp": tp, "fp": fp, "fn": fn, "tn": tn}


def test_values_lie_in_their_intervals(make_rows: MakeRows) -> None:
    for scores in summarise(make_rows(60), PARTS, Resampling(400))["by_body_part"].values():
        for name in ("auroc", "sensitivity", "accuracy", "brier"):
            entry = scores[name]
            assert entry["low"] <= entry["value"] <= entry["high"]


def test_visible_is_over_all_normal_and_the_visible_abnormal(make_rows: MakeRows) -> None:
    rows = make_rows(60)
    chosen = [r for r in rows if not r.abnormal or r.subtlety != Subtlety.SUBTLE]
    truth, score, decision = arrays(chosen)
    result = summarise(rows, PARTS, HOW)["by_body_part"]["ALL"]
    assert result["auroc_visible"]["value"] == pytest.approx(reference.roc_auc_score(truth, score))
    assert result["sensitivity_visible"]["value"] == pytest.approx(decision[truth].mean())
    assert result["n_abnormal_visible"] + result["n_abnormal_subtle"] == result["n_abnormal"]


def test_no_subtlety_no_visible_keys(make_rows: MakeRows) -> None:
    rows = [replace(r, subtlety=None) for r in make_rows(30)]
    result = summarise(rows, PARTS, HOW)
    assert "auroc_visible" not in result["by_body_part"]["ALL"]
    assert result["by_subtlety"] == {}


def test_image_level_counts_images(make_rows: MakeRows) -> None:
    rows = make_rows(30)
    result = summarise(rows, PARTS, HOW)["image_level"]["ALL"]
    truth = np.repeat([r.abnormal for r in rows], 2)
    score = [i.probability for r in rows for i in r.images]
    assert result["n_images"] == 60
    assert result["auroc"]["value"] == pytest.approx(reference.roc_auc_score(truth, score))


def test_pointing_game_is_over_visible_views_with_the_others_beside(make_rows: MakeRows) -> None:
    rows = make_rows(36)
    place = summarise(rows, PARTS, HOW)["localisation"]
    views = [i for r in rows for i in r.images if i.location]
    visible = [i for i in views if i.subtlety != Subtlety.SUBTLE]
    assert place["n_images"] == len(visible) and place["n_images_all"] == len(views)
    assert place["pointing_game"] == pytest.approx(np.mean([i.location.pointing for i in visible]))
    assert place["chance"] == pytest.approx(np.mean([i.location.pointing_chance for i in visible]))
    assert set(place["by_body_part"]) == set(PARTS)


def test_sensitivity_by_finding_adds_up(make_rows: MakeRows) -> None:
    rows = make_rows(108)
    result = summarise(rows, PARTS, HOW)
    assert sum(e["n"] for e in result["by_finding"].values()) == 54
    assert sum(e["n"] for e in result["by_subtlety"].values()) == 54
    hits = sum(e["n"] * e["sensitivity"]["value"] for e in result["by_finding"].values())
    assert hits == pytest.approx(result["by_body_part"]["ALL"]["confusion"]["tp"])


def test_comparison_says_when_the_hybrid_loses(make_rows: MakeRows) -> None:
    rows = make_rows(60)
    winner = [replace(r, experts={"cnn": float(r.abnormal), "tiny": 0.5}) for r in rows]
    result = summarise(winner, PARTS, HOW)["comparison"]["ALL"]
    assert result["best_expert"] == "cnn" and not result["hybrid_beats_best_expert"]
    assert "does not beat" in result["sentence"]
    loser = [replace(r, experts={"cnn": 0.5, "tiny": 0.4}) for r in rows]
    result = summarise(loser, PARTS, HOW)["comparison"]["ALL"]
    assert result["hybrid_beats_best_expert"] and result["difference_is_clear"]
    assert "beats" in verdict("All", result)


def test_a_single_expert_is_not_compared(make_rows: MakeRows) -> None:
    rows = [replace(r, experts={"cnn": r.experts["cnn"]}) for r in make_rows(12)]
    assert summarise(rows, PARTS, HOW)["comparison"] == {}


def test_wrong_body_parts_are_counted(make_rows: MakeRows) -> None:
    rows = make_rows(30)
    assert rows[0].recognised is not None
    rows[0] = replace(rows[0], recognised=replace(rows[0].recognised, body_part=PARTS[2]))
    result = summarise(rows, PARTS, HOW)["body_part"]
    assert result["accuracy"] == pytest.approx(29 / 30)
    assert result["confusion"]["ELBOW"] == {"ELBOW": 9, "HUMERUS": 0, "WRIST": 1}


@pytest.mark.slow
def test_five_hundred_studies_take_seconds(make_rows: MakeRows) -> None:
    rows = make_rows(500)
    start = time.process_time()
    summarise(rows, PARTS, Resampling(2000))
    assert time.process_time() - start < 20
