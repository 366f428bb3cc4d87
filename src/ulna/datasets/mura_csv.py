"""Read MURA's CSVs, with or without a header row, byte order mark and CRLF.

v1.1 has `{train,valid}_image_paths.csv` and `{train,valid}_labeled_studies.csv`, v1.0 has
`train.csv` and `valid.csv` with an image path and its study's label on each line.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from ulna.datasets.listing import listed
from ulna.datasets.mura_tree import SPLITS
from ulna.errors import DatasetError

_PLACE = re.compile(r"(?:^|/)((?:train|valid)/XR_[^/]+/.+?)/*$")


@dataclass(frozen=True)
class MuraLists:
    """Labels by study path, and image paths, both relative to the root and with '/'."""

    labels: dict[str, bool]
    images: frozenset[str]


def read_lists(root: Path) -> MuraLists:
    """Return the contents of the CSVs in `root`; files may be missing.

    Raises DatasetError with file and line numbers for rows that cannot be parsed.
    """
    labels: dict[str, bool] = {}
    images: set[str] = set()
    for split in SPLITS:
        for path, value in _rows(root / f"{split}_labeled_studies.csv", split, 2):
            labels[path] = value == "1"
        images.update(path for path, _ in _rows(root / f"{split}_image_paths.csv", split, 1))
        _add_version_1_0(root / f"{split}.csv", split, labels, images)
    return MuraLists(labels, frozenset(images))


def _add_version_1_0(file: Path, split: str, labels: dict[str, bool], images: set[str]) -> None:
    wrong = []
    for path, value in _rows(file, split, 2):
        study, _, name = path.rpartition("/")
        if "." not in name:
            study = path
        else:
            images.add(path)
        if labels.setdefault(study, value == "1") != (value == "1"):
            wrong.append(path)
    if wrong:
        raise DatasetError(
            f"{file}: {len(wrong)} lines contradict the label that their study has elsewhere: "
            f"expected one label for each study{listed(wrong)}"
        )


def _rows(file: Path, split: str, columns: int) -> list[tuple[str, str]]:
    if not file.is_file():
        return []
    try:
        lines = list(csv.reader(file.read_text("utf-8-sig").splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{file}: not a CSV in UTF-8: {error}") from None
    rows: list[tuple[str, str]] = []
    wrong: list[str] = []
    seen: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        row = _row(line, columns)
        if row and row[0].startswith(f"{split}/") and seen.setdefault(row[0], row[1]) == row[1]:
            rows.append(row)
        elif any(line) and not (number == 1 and row is None):  # line 1 may be a header
            wrong.append(f"line {number}: {','.join(line)}")
    if wrong:
        shape = f"MURA-v1.1/{split}/XR_.../..." + (",0 or 1" if columns == 2 else "/imageJ.png")
        raise DatasetError(
            f"{file}: {len(wrong)} lines are not understood or contradict earlier ones: "
            f"expected {shape}{listed(wrong)}"
        )
    return rows


def _row(line: list[str], columns: int) -> tuple[str, str] | None:
    values = [v.strip() for v in line]
    match = _PLACE.search(values[0].replace("\\", "/")) if len(values) == columns else None
    if match is None:
        return None
    if columns == 1:
        return match[1], ""
    return (match[1], values[1]) if values[1] in ("0", "1") else None
