"""Scores of out-of-fold tables against scikit-learn, and paired differences on equal folds."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as reference

from ulna.errors import ConfigError, DatasetError
from ulna.evaluation.fold_scores import score_folds
from ulna.evaluation.out_of_fold import (
    ALL,
    FoldAnswers,
    difference,
    group_masks,
    read_answers,
    score,
    source_of_key,
)
from ulna.evaluation.scores import Resampling

HOW = Resampling(draws=200)
COLUMNS = ("study", "patient", "body_part", "split", "abnormal", "study_probability")


def _write(file: Path, noise: float, folds: int = 5, n: int = 200) -> Path:
    truth = np.random.default_rng(0).random(n) < 0.3
    z = truth + np.random.default_rng(1).normal(0, noise, n)
    with file.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(COLUMNS)
        for i in range(n):
            p = 1 / (1 + np.exp(-z[i]))
            for _ in range(1 + i % 2):  # a study of two images stands on two lines
                writer.writerow(
                    [f"s{i}", f"p{i // 2}", "HAND", f"fold{i // 2 % folds}", int(truth[i]), p]
                )
    return file


def _everyone(answers: FoldAnswers) -> np.ndarray:
    return group_masks(answers, {})[ALL]


def test_scores_equal_scikit_learn(tmp_path: Path) -> None:
    answers = read_answers(_write(tmp_path / "a.csv", 1.0))
    result = score(answers, _everyone(answers), HOW)
    truth, p = answers.abnormal, answers.probability
    assert result["n_studies"] == 200 and result["n_abnormal"] == truth.sum()
    assert result["auroc"]["value"] == pytest.approx(reference.roc_auc_score(truth, p))
    assert result["average_precision"]["value"] == pytest.approx(
        reference.average_precision_score(truth, p)
    )
    false, true, _ = reference.roc_curve(truth, p, drop_intermediate=False)
    expected = true[false <= 0.1 + 1e-12].max()
    assert result["sensitivity_at_specificity_0.90"]["value"] == pytest.approx(expected)
    kappa = reference.cohen_kappa_score(truth, answers.decision)
    assert result["kappa"]["value"] == pytest.approx(kappa)
    assert result["auroc"]["low"] < result["auroc"]["value"] < result["auroc"]["high"]


def test_the_threshold_of_a_fold_does_not_see_its_labels(tmp_path: Path) -> None:
    answers = read_answers(_write(tmp_path / "a.csv", 1.0))
    lines = (tmp_path / "a.csv").read_text().splitlines()
    turned = [lines[0]]
    for line in lines[1:]:
        cells = line.split(",")
        if cells[3] == "fold2":
            cells[4] = str(1 - int(cells[4]))
        turned.append(",".join(cells))
    (tmp_path / "b.csv").write_text("\n".join(turned))
    again = read_answers(tmp_path / "b.csv")
    own = np.array(answers.folds) == "fold2"
    np.testing.assert_array_equal(answers.decision[own], again.decision[own])
    normal = answers.probability[~answers.abnormal]
    assert 0.04 < (answers.decision[~answers.abnormal]).mean() < 0.2, normal


def test_a_paired_difference_is_narrower_than_either_score(tmp_path: Path) -> None:
    good = read_answers(_write(tmp_path / "a.csv", 0.8))
    worse = read_answers(_write(tmp_path / "b.csv", 1.6))
    everyone = _everyone(good)
    result = difference(good, worse, everyone, HOW)["auroc"]
    scores = [score(a, everyone, HOW)["auroc"] for a in (good, worse)]
    assert result["value"] == pytest.approx(scores[0]["value"] - scores[1]["value"])
    assert result["low"] > 0
    assert result["high"] - result["low"] < max(s["high"] - s["low"] for s in scores)
    same = difference(good, good, everyone, HOW)["auroc"]
    assert same["value"] == same["low"] == same["high"] == 0


def test_groups_divide_the_studies(tmp_path: Path) -> None:
    answers = read_answers(_write(tmp_path / "a.csv", 1.0))
    values = {k: str(i % 2) for i, k in enumerate(answers.keys) if i % 5}
    masks = group_masks(answers, {"hardware": values})
    assert list(masks) == [ALL, "hardware: 0", "hardware: 1"]
    assert masks["hardware: 0"].sum() + masks["hardware: 1"].sum() == len(values)
    assert not (masks["hardware: 0"] & masks["hardware: 1"]).any()


def test_other_studies_or_folds_cannot_be_compared(tmp_path: Path) -> None:
    five = read_answers(_write(tmp_path / "a.csv", 1.0))
    four = read_answers(_write(tmp_path / "b.csv", 1.0, folds=4))
    fewer = read_answers(_write(tmp_path / "c.csv", 1.0, n=150))
    with pytest.raises(ConfigError, match="same folds"):
        difference(five, four, _everyone(five), HOW)
    with pytest.raises(ConfigError, match="by only one of the two"):
        difference(five, fewer, _everyone(five), HOW)


def test_unusable_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_answers(tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("study,abnormal\na,1\n")
    with pytest.raises(ConfigError, match="columns patient"):
        read_answers(tmp_path / "other.csv")
    with pytest.raises(DatasetError, match="one fold"):
        read_answers(_write(tmp_path / "single.csv", 1.0, folds=1))


def test_pointing_is_counted_by_image_and_on_true_positives(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rng = np.random.default_rng(3)
    lines = []
    for i in range(120):
        truth = i % 3 == 0
        p = 0.3 * truth + rng.random() * 0.7
        for _ in range(1 + i % 2):
            hit = str(rng.integers(2)) if truth and i % 4 else ""
            lines.append(
                [f"s{i:03}", f"p{i // 2}", "HAND", f"fold{i // 2 % 4}", int(truth), p, hit]
            )
    with file.open("w", newline="") as handle:
        csv.writer(handle).writerows([[*COLUMNS, "pointing_game"], *lines])
    answers = read_answers(file)
    result = score(answers, _everyone(answers), HOW)
    known = [(line[0], int(line[6])) for line in lines if line[6]]
    assert result["pointing_game"]["value"] == pytest.approx(np.mean([h for _, h in known]))
    message = dict(zip(answers.keys, answers.decision, strict=True))
    positive = [h for key, h in known if message[key]]
    assert 0 < len(positive) < len(known)
    assert result["pointing_game_true_positives"]["value"] == pytest.approx(np.mean(positive))
    without = read_answers(_write(tmp_path / "b.csv", 1.0))
    assert score(without, _everyone(without), HOW)["pointing_game"]["value"] is None


def _altered(file: Path, out: Path, column: str, value: str) -> Path:
    """The table with one cell of its first study changed."""
    with file.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    rows[0][column] = value
    with out.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return out


def test_methods_scored_by_other_labels_are_no_pair(tmp_path: Path) -> None:
    """Each would be held against its own truth: the difference would be one of labels too."""
    file = _write(tmp_path / "a.csv", 1.0)
    mine = read_answers(file)
    turned = str(1 - int(mine.abnormal[mine.keys.index("s0")]))
    other = read_answers(_altered(file, tmp_path / "b.csv", "abnormal", turned))
    with pytest.raises(ConfigError, match=r"1 of 200 studies have different labels.*s0"):
        difference(mine, other, _everyone(mine), HOW)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("abnormal", "yes"),
        ("abnormal", "0.7"),
        ("study_probability", "high"),
        ("study_probability", "nan"),
        ("study_probability", "1.2"),
        ("pointing_game", "hit"),
    ],
)
def test_a_cell_that_is_not_understood_is_named(tmp_path: Path, column: str, value: str) -> None:
    """No cell is taken for a normal label in silence, and none ends in a traceback."""
    file = _altered(_write(tmp_path / "a.csv", 1.0), tmp_path / "b.csv", column, value)
    with pytest.raises(DatasetError, match=rf"b\.csv: study s0: {column} '{value}'"):
        read_answers(file)


@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("1.0", "0.0"), ("True", "false")])
def test_labels_of_other_programs_are_read(tmp_path: Path, yes: str, no: str) -> None:
    file = _write(tmp_path / "a.csv", 1.0)
    expected = read_answers(file).abnormal
    lines = [line.split(",") for line in file.read_text().splitlines()]
    for cells in lines[1:]:
        cells[4] = yes if cells[4] == "1" else no
    (tmp_path / "b.csv").write_text("\n".join(map(",".join, lines)))
    np.testing.assert_array_equal(read_answers(tmp_path / "b.csv").abnormal, expected)


def test_a_file_that_is_no_table_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "film.csv").write_bytes(b"\x89PNG\xff\xfe,\n")
    with pytest.raises(DatasetError, match="not a CSV in UTF-8"):
        read_answers(tmp_path / "film.csv")


def _with_source(file: Path, out: Path, source: str) -> Path:
    """The table with keys as they are among several sources, and some studies of another."""
    with file.open() as handle:
        lines = list(csv.DictReader(handle))
    with out.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS)
        writer.writeheader()
        for name in (source, "other"):
            for line in lines if name == source else lines[:60]:
                key = f"HAND/{name}.{line['patient']}/{name}.{line['study']}"
                writer.writerow(line | {"study": key, "patient": f"{name}.{line['patient']}"})
    return out


@pytest.mark.parametrize("turned", [False, True])
def test_one_of_several_sources_is_compared_with_the_source_alone(
    tmp_path: Path, turned: bool
) -> None:
    """Also where ids hold full stops, as unique identifiers of DICOM do."""
    plain = _write(tmp_path / "a.csv", 1.0)
    both = _with_source(plain, tmp_path / "both.csv", "atlas")
    keyed = tmp_path / "keyed.csv"
    keyed.write_text(
        "".join(
            re.sub(r"^(s\d+),(p\d+),", r"HAND/\2/\1,\2,", line)
            for line in plain.read_text().splitlines(keepends=True)
        )
    )
    mine, other = (keyed, both) if turned else (both, keyed)
    result = score_folds(read_answers(mine), {}, {"peer": other}, HOW)["minus"]["peer"]
    assert result["all"]["n_studies"] == 200 and result["all"]["auroc"]["value"] == 0
    assert source_of_key("HAND/1.2.840/1.2.840.113") == "1" and source_of_key("HAND/p.1/s.1") == ""
    studies = read_answers(both)
    assert sum(source_of_key(k) == "other" for k in studies.keys) == len(studies.keys) - 200
