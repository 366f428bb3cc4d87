"""Read predictions and labels in the format of the MURA competition, `study,0 or 1` on each line.

Labels are read from a file like `valid_labeled_studies.csv`, or one with a column for each of three
radiologists, whose majority decides. Predictions are read from a submission to the competition or
from Ulna's predictions.csv. Studies are matched by region, patient and number. The part of a path
before the region and the label in the folder's name are ignored.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ulna.datasets.listing import listed
from ulna.errors import ConfigError, DatasetError
from ulna.types import BodyPart

_PLACE = re.compile(r"(?:^|/)(XR_[A-Za-z]+)/([^/]+)/(study[^/_]*)(?:_(?:positive|negative))?/*$")
_EXPECTED = "MURA-v1.1/valid/XR_WRIST/patient11185/study1_positive/,1"
_ULNA_COLUMNS = {"study", "decision"}


@dataclass(frozen=True, order=True)
class MuraStudy:
    """A study of MURA, identified by its path."""

    body_part: BodyPart
    patient: str
    number: str

    def __str__(self) -> str:
        return f"XR_{self.body_part}/{self.patient}/{self.number}"


def read_mura_labels(file: Path) -> dict[MuraStudy, bool]:
    """Return whether each study is abnormal, by its label or the majority of three radiologists.

    Raises DatasetError with line numbers for a file that is missing or not a CSV, for lines that
    cannot be parsed and for a study on two lines.
    """
    lines = list(_lines(file))
    columns = {len(cells) for _, cells in lines}
    if len(columns) > 1 or not columns <= {2, 4}:
        counts = ", ".join(map(str, sorted(columns))) or "none"
        raise DatasetError(
            f"{file}: lines of {counts} columns: expected a study and one label, or a study and "
            "the labels of three radiologists"
        )
    return _by_study(file, lines)


def read_mura_answers(file: Path) -> dict[MuraStudy, bool]:
    """Return whether each study is called abnormal, by a submission or Ulna's predictions.csv.

    Raises DatasetError as `read_mura_labels` does, and for probabilities in place of 0 and 1.
    """
    lines = list(_lines(file))
    head = lines[0][1] if lines else []
    if set(head) >= _ULNA_COLUMNS:
        lines = _ulna_decisions(file, lines)
    if any(len(cells) != 2 for _, cells in lines):
        raise DatasetError(f"{file}: expected two columns, a study and 0 or 1: {_EXPECTED}")
    return _by_study(file, lines)


def _lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        rows = csv.reader(file.read_text("utf-8-sig").splitlines())
        for number, row in enumerate(rows, start=1):
            if any(cell.strip() for cell in row):
                yield number, [cell.strip() for cell in row]
    except FileNotFoundError:
        raise DatasetError(f"{file}: no such file: expected lines such as {_EXPECTED}") from None
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise DatasetError(f"{file}: not a CSV in UTF-8: {error}") from None


def _ulna_decisions(file: Path, lines: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Return study and decision of each study of a predictions.csv, which has a line per image."""
    names = lines[0][1]
    study, decision = names.index("study"), names.index("decision")
    rows: dict[str, tuple[int, list[str]]] = {}
    wrong = []
    for number, cells in lines[1:]:
        if len(cells) > max(study, decision) and cells[decision]:
            row = (number, [cells[study], cells[decision]])
            first = rows.setdefault(cells[study], row)
            if first[1] != row[1]:
                wrong.append(f"lines {first[0]} and {number}: {cells[study]}")
    if wrong:
        raise DatasetError(
            f"{file}: {len(wrong)} lines have another decision than an earlier line of the same "
            f"study: expected one for each study; use an unaltered copy{listed(wrong)}"
        )
    if not rows:
        raise DatasetError(f"{file}: no study has a decision: expected answered studies")
    return list(rows.values())


def _by_study(file: Path, lines: list[tuple[int, list[str]]]) -> dict[MuraStudy, bool]:
    abnormal: dict[MuraStudy, bool] = {}
    wrong = []
    for i, (number, cells) in enumerate(lines):
        study, votes = _study(cells[0]), cells[1:]
        if study is None and i == 0 and not set(votes) & {"0", "1"}:
            continue  # a header
        if study is None or not set(votes) <= {"0", "1"} or study in abnormal:
            wrong.append(f"line {number}: {','.join(cells)}" + (" (twice)" * (study in abnormal)))
        else:
            abnormal[study] = 2 * votes.count("1") > len(votes)
    if wrong:
        raise DatasetError(
            f"{file}: {len(wrong)} lines are not understood: expected each study once, with 0 or "
            f"1, such as {_EXPECTED}{listed(wrong)}"
        )
    if not abnormal:
        raise DatasetError(f"{file}: no study: expected lines such as {_EXPECTED}")
    return abnormal


def _study(text: str) -> MuraStudy | None:
    """Parse a path of MURA or a study key of Ulna, `PART/patient/study`; None for other text."""
    path = text.replace("\\", "/")
    place = path if "XR_" in path else f"XR_{path}"
    match = _PLACE.search(place)
    if match is None:
        return None
    try:
        return MuraStudy(BodyPart.parse(match[1]), match[2], match[3])
    except ConfigError:
        return None
