"""Labels and predictions of the MURA competition, in valid and invalid files."""

from __future__ import annotations

from pathlib import Path

import pytest

from ulna.datasets.mura_answers import MuraStudy, read_mura_answers, read_mura_labels
from ulna.errors import DatasetError
from ulna.types import BodyPart

WRIST = MuraStudy(BodyPart.WRIST, "patient11185", "study1")
ELBOW = MuraStudy(BodyPart.ELBOW, "patient11189", "study2")
LINES = (
    "MURA-v1.1/valid/XR_WRIST/patient11185/study1_positive/,1\n"
    "MURA-v1.1/valid/XR_ELBOW/patient11189/study2_negative/,0\n"
)


def _file(folder: Path, text: str) -> Path:
    file = folder / "answers.csv"
    file.write_bytes(text.encode())
    return file


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        LINES.replace("\n", "\r\n"),
        "\ufeff" + LINES,
        "study,label\n" + LINES,
        LINES.replace("/", "\\"),
        LINES.replace("MURA-v1.1/valid/", "./"),
        LINES.replace("study1_positive/", "study1_negative"),
        "\n" + LINES + "\n",
    ],
)
def test_every_way_of_writing_it_is_the_same(tmp_path: Path, text: str) -> None:
    file = _file(tmp_path, text)
    assert read_mura_labels(file) == read_mura_answers(file) == {WRIST: True, ELBOW: False}


def test_of_three_radiologists_the_majority_counts(tmp_path: Path) -> None:
    votes = LINES.replace(",1", ",1,0,1").replace(",0\n", ",0,1,0\n")
    assert read_mura_labels(_file(tmp_path, votes)) == {WRIST: True, ELBOW: False}
    headed = _file(tmp_path, "study,one,two,three\n" + votes)
    assert read_mura_labels(headed) == {WRIST: True, ELBOW: False}


def test_answers_of_evaluate_are_read_once_for_each_study(tmp_path: Path) -> None:
    own = (
        "study,patient,decision,image\n"
        "WRIST/patient11185/study1,patient11185,1,a.png\n"
        "WRIST/patient11185/study1,patient11185,1,b.png\n"
        "ELBOW/patient11189/study2,patient11189,0,c.png\n"
        "ELBOW/patient11189/study3,patient11189,,d.png\n"
    )
    assert read_mura_answers(_file(tmp_path, own)) == {WRIST: True, ELBOW: False}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LINES.replace(",1", ",0.93"), "line 1"),
        (LINES + LINES, r"line 3: .*\(twice\)"),
        (LINES.replace("XR_ELBOW", "XR_KNEE"), "line 2"),
        (LINES.replace(",0", ",0,1"), "expected"),
        (LINES.replace("patient11189/", ""), "line 2"),
        ("", "no study|none columns"),
        ("study,label\n", "no study"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = _file(tmp_path, text)
    for read in (read_mura_labels, read_mura_answers):
        with pytest.raises(DatasetError, match=message):
            read(file)


def test_no_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file"):
        read_mura_labels(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match="not a CSV"):
        read_mura_answers(tmp_path / "binary.csv")
    with pytest.raises(DatasetError, match="not a CSV"):
        read_mura_answers(tmp_path)


def test_one_study_with_two_decisions_is_no_answer(tmp_path: Path) -> None:
    """Else the last line would count, whichever that is."""
    head, row = "study,image,decision\n", "WRIST/patient11185/study1,a.png,1\n"
    assert read_mura_answers(_file(tmp_path, head + row + row.replace("a.", "b."))) == {WRIST: True}
    with pytest.raises(DatasetError, match="lines 2 and 3: WRIST/patient11185/study1"):
        read_mura_answers(_file(tmp_path, head + row + row.replace("png,1", "png,0")))
