"""A CSV table of radiographs: how FracAtlas, GRAZPEDWRI-DX or a hospital's own data come in."""

from __future__ import annotations

import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from ulna.datasets.find_file import FileFinder
from ulna.datasets.listing import listed
from ulna.datasets.table_row import Row, RowFault, parse_row
from ulna.datasets.table_text import read_table_text
from ulna.dicom.body_part import region_remarks
from ulna.errors import DatasetError, DatasetWarning, SplitError
from ulna.types import FindingCategory, Study


def index_table(table: Path | str) -> list[Study]:
    """The studies of a table whose first row names the columns.

    UTF-8; commas, semicolons or tabs between the values. Required: path (relative to the table,
    or absolute; with slashes or backslashes, in either Unicode normal form), patient_id, study_id
    (unique in the table), body_part (empty: not known; LEG, CHEST and other regions that are not
    of the upper extremity: not known, with a DatasetWarning), abnormal (1/0, true/false, yes/no,
    positive/negative, abnormal/normal or empty: no label).
    Optional: split, view, laterality (L, R), findings (categories joined by ';'), boxes (JSON
    list of [x, y, width, height] or {"box": [...], "category": ...} in the file's pixels),
    box_format (xywh; xyxy: corners; yolo: centre and size as shares of the image), mask. Other
    columns are ignored; rows without any value are left out (DatasetWarning). Rows with one
    study_id and one body part are one study; studies stand in the order of their first rows.

    `categories` of a study: its findings; empty for a normal study; None where the column is
    missing, or empty in all rows of a study that is not normal.

    Raises DatasetError with line numbers for whatever does not fit, for files that are not
    there, and for rows of a study that contradict each other; SplitError for a patient in two
    splits.
    """
    path = Path(table)
    text = read_table_text(path)
    rows = _parsed(path, text.rows)
    _check_paths(path, rows)
    _check_studies(path, rows)
    _check_splits(path, rows)
    _tell_blank_rows(path, text.blank)
    _tell_normal_with_findings(path, rows)
    _tell_other_regions(path, rows)
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.study_id, row.body_part or ""].append(row)
    studies = [_study(group) for group in groups.values()]
    _check_keys(path, studies)
    return studies


def read_columns(table: Path | str) -> dict[Path, dict[str, str]]:
    """All cells of a table by column, for each image's path; raises what `index_table` does."""
    path = Path(table)
    find = FileFinder(path.parent)
    return {find(cells["path"]): cells for _, cells in read_table_text(path).rows}


def _parsed(path: Path, lines: Sequence[tuple[int, dict[str, str]]]) -> list[Row]:
    rows: list[Row] = []
    faults: list[str] = []
    find = FileFinder(path.parent)
    for number, values in lines:
        try:
            rows.append(parse_row(values, number, find))
        except RowFault as fault:
            faults.append(f"line {number}: {fault}")
    if faults:
        raise DatasetError(f"{path}: {len(faults)} rows cannot be used:{listed(faults)}")
    return rows


def _tell_blank_rows(path: Path, count: int) -> None:
    if count:
        warnings.warn(
            f"{path}: {count} rows hold no value and are left out", DatasetWarning, stacklevel=3
        )


def _check_paths(path: Path, rows: Sequence[Row]) -> None:
    first: dict[str, int] = {}
    twice = []
    for row in rows:
        # The file itself, whatever dots and links lead to it: one image must not be two.
        image = os.path.realpath(row.image.path)
        if image in first:
            twice.append(f"line {row.line}: {row.image.path} (first on line {first[image]})")
        first.setdefault(image, row.line)
    if twice:
        raise DatasetError(f"{path}: {len(twice)} paths occur twice:{listed(twice)}")
    missing = [f"line {r.line}: {p}" for r in rows for p in r.files if not os.path.isfile(p)]
    if missing:
        raise DatasetError(
            f"{path}: {len(missing)} files are not there (paths are relative to the table's "
            f"folder):{listed(missing)}"
        )


def _check_studies(path: Path, rows: Sequence[Row]) -> None:
    faults = []
    owner: dict[str, Row] = {}
    label: dict[tuple[str, str], Row] = {}
    for row in rows:
        first = owner.setdefault(row.study_id, row)
        if first.patient_id != row.patient_id:
            faults.append(
                f"lines {first.line} and {row.line}: study {row.study_id!r} has patients "
                f"{first.patient_id!r} and {row.patient_id!r} (study ids must be unique)"
            )
        first = label.setdefault((row.study_id, row.body_part or ""), row)
        for name in ("abnormal", "split"):
            if getattr(first, name) != getattr(row, name):
                faults.append(
                    f"lines {first.line} and {row.line}: study {row.study_id!r} has {name} "
                    f"{getattr(first, name)!r} and {getattr(row, name)!r}"
                )
    if faults:
        raise DatasetError(f"{path}: {len(faults)} contradictions:{listed(faults)}")


def _tell_normal_with_findings(path: Path, rows: Sequence[Row]) -> None:
    odd = [
        f"line {r.line}: {r.image.path.name}"
        for r in rows
        if r.abnormal is False and (r.categories or r.image.findings)
    ]
    if odd:
        warnings.warn(
            f"{path}: {len(odd)} rows have abnormal 0 and yet findings or boxes: they count as "
            f"normal; correct the label, or leave the findings out:{listed(odd)}",
            DatasetWarning,
            stacklevel=3,
        )


def _tell_other_regions(path: Path, rows: Sequence[Row]) -> None:
    other = Counter(r.other_region for r in rows if r.other_region)
    if other:
        counts = ", ".join(f"{k} {n}" for k, n in sorted(other.items())[:10])
        warnings.warn(
            f"{path}: {other.total()} of {len(rows)} rows are not of the upper extremity "
            f"({counts}): their body part is taken as not known",
            DatasetWarning,
            stacklevel=3,
        )


def _check_keys(path: Path, studies: Sequence[Study]) -> None:
    """Slashes in ids can make two studies look like one in every file that names them."""
    twice = [key for key, n in Counter(s.key for s in studies).items() if n > 1]
    if twice:
        raise DatasetError(
            f"{path}: {len(twice)} names of studies (body part/patient/study) occur twice: "
            f"leave the slash out of patient_id and study_id:{listed(twice)}"
        )


def _check_splits(path: Path, rows: Sequence[Row]) -> None:
    first: dict[str, Row] = {}
    shared = [
        f"{row.patient_id}: {other.split!r} on line {other.line}, {row.split!r} on line {row.line}"
        for row in rows
        if (other := first.setdefault(row.patient_id, row)).split != row.split
    ]
    if shared:
        raise SplitError(f"{path}: {len(shared)} rows put a patient in two splits:{listed(shared)}")


def _study(rows: Sequence[Row]) -> Study:
    head = rows[0]
    named: set[FindingCategory] = set().union(*(r.categories or () for r in rows))
    known = any(r.categories is not None for r in rows) and (named or head.abnormal is False)
    return Study(
        patient_id=head.patient_id,
        study_id=head.study_id,
        body_part=head.body_part,
        images=tuple(r.image for r in rows),
        abnormal=head.abnormal,
        split=head.split,
        categories=frozenset(named) if known else None,
        remarks=region_remarks((r.other_region for r in rows), "the table"),
    )
