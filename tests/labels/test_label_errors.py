"""The ranking of label errors: order, reasons, changed labels, and in-fold predictions."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cleanlab", reason="needs the extra review")

from ulna.errors import ConfigError, DatasetError, DatasetWarning
from ulna.labels.label_errors import rank_labels, write_label_errors
from ulna.types import BodyPart, ImageRef, Study

PARTS = (BodyPart.ELBOW, BodyPart.HAND)
COLUMNS = ("study", "patient", "body_part", "split", "abnormal", "study_probability")
MORE = ("view", "image_probability", "recognised_part")


def _studies(n: int = 60) -> list[Study]:
    return [
        Study(
            f"p{i:02}",
            f"s{i}",
            PARTS[i % 2],
            (ImageRef(Path(f"{i}a.png"), "PA"), ImageRef(Path(f"{i}b.png"), "LAT")),
            abnormal=i % 4 < 2,
        )
        for i in range(n)
    ]


def _probability(i: int, n: int = 60) -> float:
    """Agrees with the label, the more the higher i; but the last four are sure and wrong."""
    sure = 0.7 + 0.29 * i / n
    return sure if (i % 4 < 2) == (i < n - 4) else 1 - sure


def _write(file: Path, studies: list[Study], split: str = "fold") -> Path:
    with file.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow([*COLUMNS, *MORE])
        for i, study in enumerate(studies):
            fold = f"fold{i % 3}" if split == "fold" else split
            p = _probability(i)
            row = [study.key, study.patient_id, study.body_part, fold, int(bool(study.abnormal)), p]
            seen = "HAND" if i == 56 else study.body_part
            writer.writerow([*row, "PA", 0.25, seen])
            writer.writerow([*row, "LAT", 0.75, seen])
    return file


def test_the_list_runs_from_least_to_most_like_the_label(tmp_path: Path) -> None:
    studies = _studies()
    result = rank_labels(studies, _write(tmp_path / "a.csv", studies))
    assert [s.rank for s in result] == list(range(1, 61))
    by_hand = sorted(
        (_probability(i) if s.abnormal else 1 - _probability(i), s.key)
        for i, s in enumerate(studies)
    )
    assert [s.study.key for s in result] == [key for _, key in by_hand]
    assert [s.quality for s in result] == pytest.approx([q for q, _ in by_hand])
    assert {s.study.study_id for s in result[:4]} == {"s56", "s57", "s58", "s59"}
    assert [s.flagged for s in result] == [s.rank <= 4 for s in result]


def test_reasons_are_in_words(tmp_path: Path) -> None:
    studies = _studies()
    result = rank_labels(studies, _write(tmp_path / "a.csv", studies))
    label_error = next(s for s in result if s.study.study_id == "s56")
    assert label_error.label == "abnormal" and label_error.fold == "fold2"
    given, place, bound, views, part = label_error.reasons
    assert given == (
        "labelled abnormal, but probability of abnormal 0.03 by experts that were not trained on it"
    )
    assert place.startswith("number 1 of 15 elbow studies labelled abnormal, ")
    assert place.endswith("in order of rising label quality")
    normal = [_probability(i) for i in range(60) if i % 4 == 2]
    mean = f"{np.mean(normal):.2f}, the mean of elbow studies labelled normal"
    assert bound == f"flagged: at most {mean}"
    assert views == "by view: PA 0.25, LAT 0.75"
    assert part == "looks like hand, not elbow"
    assert len(result[-1].reasons) == 3


def test_the_table_holds_every_study(tmp_path: Path) -> None:
    studies = _studies()
    result = rank_labels(studies, _write(tmp_path / "a.csv", studies))
    write_label_errors(result, tmp_path / "review.csv")
    with (tmp_path / "review.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [r["study"] for r in rows] == [s.study.key for s in result]
    assert [r["flagged"] for r in rows[3:5]] == ["1", "0"]
    assert rows[0]["reasons"].split("; ") == list(result[0].reasons)
    assert [Path(p) for p in rows[0]["images"].split("; ")] == [
        i.path for i in result[0].study.images
    ]
    assert not list(tmp_path.glob("*.partial"))


def test_labels_of_today_count_and_differences_are_reported(tmp_path: Path) -> None:
    studies = _studies()
    file = _write(tmp_path / "a.csv", studies)
    corrected = [
        replace(s, abnormal=not s.abnormal) if i >= 56 else s for i, s in enumerate(studies)
    ]
    with pytest.warns(DatasetWarning, match="4 labels of DATA differ"):
        result = rank_labels(corrected, file)
    assert not {s.study.study_id for s in result[:4]} & {"s56", "s57", "s58", "s59"}
    with pytest.warns(DatasetWarning, match="10 predictions are left out"):
        assert len(rank_labels(studies[10:], file)) == 50
    unlabelled = [replace(s, abnormal=None) if i < 10 else s for i, s in enumerate(studies)]
    with pytest.warns(DatasetWarning, match="10 predictions"):
        assert len(rank_labels(unlabelled, file)) == 50


@pytest.mark.parametrize("split", ["train", "valid", ""])
def test_predictions_that_are_not_out_of_fold_are_refused(tmp_path: Path, split: str) -> None:
    studies = _studies()
    file = _write(tmp_path / "a.csv", studies)
    rest = _write(tmp_path / "b.csv", studies[:9], split).read_text().splitlines()[1:]
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], *rest, *lines[19:]]) + "\n")
    with pytest.raises(DatasetError, match="9 of 60 answers are not out of fold") as reported:
        rank_labels(studies, file)
    assert repr(split) in str(reported.value) and "ulna crossval" in str(reported.value)


def test_unusable_predictions_are_named(tmp_path: Path) -> None:
    studies = _studies()
    with pytest.raises(ConfigError, match="no such file"):
        rank_labels(studies, tmp_path / "none.csv")
    with pytest.raises(DatasetError, match="one fold"):
        rank_labels(studies, _write(tmp_path / "single.csv", studies, "fold0"))
    with pytest.raises(DatasetError, match="60 of 60 answers are not out of fold"):
        rank_labels(studies, _write(tmp_path / "train.csv", studies, "train"))
    (tmp_path / "other.csv").write_text("study,abnormal\na,1\n")
    with pytest.raises(ConfigError, match="columns patient"):
        rank_labels(studies, tmp_path / "other.csv")
    file = _write(tmp_path / "a.csv", studies)
    strangers = [replace(s, patient_id="q" + s.patient_id) for s in studies]
    with pytest.raises(DatasetError, match="none of its 60 studies"):
        rank_labels(strangers, file)
    file.write_text(file.read_text().replace(",0.7,", ",high,"))
    with pytest.raises(DatasetError, match="expected a number from 0 to 1"):
        rank_labels(studies, file)
    file.write_text(_write(file, studies).read_text().replace(",0.25,", ",low,"))
    with pytest.raises(DatasetError, match="damaged"):
        rank_labels(studies, file)
    file.write_text(_write(file, studies).read_text().rpartition(",PA")[0] + "\n")
    assert len(rank_labels(studies, file)) == 60
    file.write_bytes(b"\xff\xfe study")
    with pytest.raises(DatasetError, match="damaged"):
        rank_labels(studies, file)
