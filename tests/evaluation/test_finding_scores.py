"""Scores of findings against scikit-learn's, with known and unknown labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as reference

from ulna.evaluation.finding_scores import CALLED_NORMAL, finding_scores
from ulna.evaluation.rows import Answer, ImageRow, StudyRow
from ulna.evaluation.scores import Resampling
from ulna.evaluation.summary import summarise
from ulna.evaluation.table import write_predictions
from ulna.evaluation.table_reading import read_predictions
from ulna.types import BodyPart, FindingCategory, ImageRef, Subtlety

FRACTURE, HARDWARE, LYTIC, *_ = FindingCategory
KINDS = (FRACTURE, HARDWARE, LYTIC)
PARTS = (BodyPart.ELBOW, BodyPart.WRIST)
HOW = Resampling(draws=60, seed=3)
LIMITS = {FRACTURE: 0.5, HARDWARE: 0.3, LYTIC: 0.4}


def _image(k: int, part: BodyPart) -> ImageRow:
    grid = np.zeros((1, 1), np.float32)
    return ImageRow(ImageRef(Path(f"{k}.png")), 0.5, 0.0, (1, 1), grid, recognised=part)


def make_rows(n: int = 240, seed: int = 0) -> list[StudyRow]:
    """A third normal; the others show one kind, some of them two."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(n):
        shown = set(rng.choice(3, rng.choice([0, 1, 1, 1, 2]), replace=False).tolist())
        z = np.array([2.0 * (i in shown) - 1 + rng.normal(0, 1.2) for i in range(3)])
        stated = dict(zip(KINDS, (1 / (1 + np.exp(-z))).tolist(), strict=True))
        called = bool(z.max() > 0)
        odds = {c: p / (1 - p) * (1 - LIMITS[c]) / LIMITS[c] for c, p in stated.items()}
        part = PARTS[k % 2]
        answer = Answer(
            part, float(stated[FRACTURE]), called, 0.5, findings=stated, finding_thresholds=LIMITS,
            leading_finding=max(odds, key=lambda c: odds[c]) if called else None,
        )  # fmt: skip
        rows.append(
            StudyRow(
                key=f"{part}/p{k // 2}/s{k}",
                patient_id=f"p{k // 2}",
                body_part=part,
                abnormal=bool(shown),
                subtlety=list(Subtlety)[k % 3] if shown else None,
                categories=frozenset(KINDS[i] for i in shown),
                given=answer,
                recognised=answer,
                images=(_image(k, part),),
                finding_labels={c: i in shown for i, c in enumerate(KINDS)},
            )
        )
    return rows


def arrays(rows: list[StudyRow]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, F) labels, probabilities, answers."""
    truth = np.array([[r.finding_labels[c] for c in KINDS] for r in rows])
    stated = np.array([[r.given.findings[c] for c in KINDS] for r in rows])
    return truth, stated, stated >= [LIMITS[c] for c in KINDS]


def test_every_category_and_the_macro_averages_are_scikit_learns() -> None:
    rows = make_rows()
    truth, stated, called = arrays(rows)
    result = finding_scores(rows, HOW)["ALL"]
    for j, c in enumerate(KINDS):
        own = result["categories"][c.value]
        y, p, d = truth[:, j], stated[:, j], called[:, j]
        assert (own["n_present"], own["n_absent"]) == (y.sum(), (~y).sum())
        assert own["auroc"]["value"] == pytest.approx(reference.roc_auc_score(y, p))
        wanted = reference.average_precision_score(y, p)
        assert own["average_precision"]["value"] == pytest.approx(wanted)
        assert own["precision"]["value"] == pytest.approx(reference.precision_score(y, d))
        assert own["recall"]["value"] == pytest.approx(reference.recall_score(y, d))
        assert own["f1"]["value"] == pytest.approx(reference.f1_score(y, d))
        assert own["auroc"]["low"] < own["auroc"]["value"] < own["auroc"]["high"]
    macro = {k: v["value"] for k, v in result["macro"].items() if k != "n_categories"}
    assert macro == pytest.approx(
        {
            "auroc": reference.roc_auc_score(truth, stated, average="macro"),
            "average_precision": reference.average_precision_score(truth, stated, average="macro"),
            "precision": reference.precision_score(truth, called, average="macro"),
            "recall": reference.recall_score(truth, called, average="macro"),
            "f1": reference.f1_score(truth, called, average="macro"),
        }
    )
    assert result["macro"]["n_categories"] == 3
    assert result["macro"]["auroc"]["low"] < macro["auroc"] < result["macro"]["auroc"]["high"]


def test_the_confusion_of_the_leading_finding_is_scikit_learns() -> None:
    rows = make_rows()
    single = [r for r in rows if sum(r.finding_labels.values()) == 1]
    names = [c.value for c in KINDS]
    true = [next(c.value for c, shown in r.finding_labels.items() if shown) for r in single]
    message = [r.given.leading_finding or CALLED_NORMAL for r in single]
    wanted = reference.confusion_matrix(true, message, labels=[*names, CALLED_NORMAL])
    lead = finding_scores(rows, HOW)["ALL"]["leading"]
    table = [[lead["confusion"][c][s] for s in (*names, CALLED_NORMAL)] for c in names]
    assert np.array_equal(table, wanted[:3])
    assert lead["n_studies"] == len(single) == np.sum(table)
    assert lead["right"]["value"] == pytest.approx(reference.accuracy_score(true, message))
    called = [(t, s) for t, s in zip(true, message, strict=True) if s != CALLED_NORMAL]
    assert lead["n_called"] == len(called)
    wanted = reference.accuracy_score(*zip(*called, strict=True))
    assert lead["right_of_called"]["value"] == pytest.approx(wanted)
    assert 0 < lead["right"]["low"] < lead["right"]["value"] < lead["right"]["high"] < 1


def test_an_unknown_label_is_neither_present_nor_absent() -> None:
    rows = [
        replace(r, finding_labels={FRACTURE: r.finding_labels[FRACTURE]}) if k % 2 else r
        for k, r in enumerate(make_rows())
    ]
    result = finding_scores(rows, HOW)["ALL"]
    counts = [result["categories"][c.value] for c in KINDS]
    assert [c["n_present"] + c["n_absent"] for c in counts] == [240, 120, 120]
    half = [r for k, r in enumerate(rows) if not k % 2]
    wanted = finding_scores(half, HOW)["ALL"]["categories"]["hardware"]["auroc"]["value"]
    assert counts[1]["auroc"]["value"] == wanted
    # of the others nobody knows whether it is their only finding
    assert (
        result["leading"]["n_studies"] == finding_scores(half, HOW)["ALL"]["leading"]["n_studies"]
    )


def test_a_category_of_one_kind_only_counts_for_no_macro_average() -> None:
    rows = [
        r if not r.finding_labels[LYTIC] else replace(r, finding_labels={}) for r in make_rows()
    ]
    result = finding_scores(rows, HOW)["ALL"]
    assert result["categories"]["lytic_lesion"]["n_present"] == 0
    assert result["categories"]["lytic_lesion"]["auroc"]["value"] is None
    assert result["macro"]["n_categories"] == 2
    two = [result["categories"][c.value]["f1"]["value"] for c in (FRACTURE, HARDWARE)]
    assert result["macro"]["f1"]["value"] == pytest.approx(np.mean(two))


def test_groups_are_the_visible_and_the_parts_with_enough() -> None:
    rows = make_rows()
    result = finding_scores(rows, HOW)
    assert set(result) == {"ALL", "VISIBLE", "ELBOW", "WRIST"}
    assert result["VISIBLE"]["n_studies"] == sum(r.visible for r in rows)
    few = [r for r in rows if r.body_part != BodyPart.WRIST] + [
        r for r in rows if r.body_part == BodyPart.WRIST
    ][:14]
    assert set(finding_scores(few, HOW)) == {"ALL", "VISIBLE", "ELBOW"}


def test_answers_that_name_nothing_have_no_such_scores() -> None:
    rows = [replace(r, given=replace(r.given, findings={})) for r in make_rows(30)]
    assert finding_scores(rows, HOW) is None
    assert "findings" not in summarise(rows, PARTS, HOW)


def test_scores_can_be_computed_again_from_the_table(tmp_path: Path) -> None:
    """Also where a study shows what the bundle does not name."""
    rows = make_rows()
    odd = {**rows[0].finding_labels, FindingCategory.DISLOCATION: True}
    rows[0] = replace(rows[0], finding_labels=odd)
    rows[1] = replace(rows[1], finding_labels={})
    rows[2] = replace(rows[2], given=None, recognised=None, images=(), fault="gone")
    write_predictions(rows, tmp_path / "p.csv")
    again = read_predictions(tmp_path / "p.csv")
    assert [r.given for r in again] == [r.given for r in rows]
    reported = [r.finding_labels for r in again]
    assert reported[:2] == [odd, {}] and reported[3:] == [r.finding_labels for r in rows[3:]]
    assert finding_scores(again, HOW) == finding_scores(rows, HOW)
    assert summarise(again, PARTS, HOW)["findings"] == finding_scores(rows, HOW)
