"""Index a CSV table of radiographs, such as FracAtlas, GRAZPEDWRI-DX or a hospital's own data."""

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
    """Return the studies of a table whose first row names the columns.

    The table is in UTF-8, with commas, semicolons or tabs between values. Required columns: path
    (relative to the table, or absolute; with slashes or backslashes, in either Unicode normal
    form), patient_id, study_id (unique in the table), body_part (empty for unknown; LEG, CHEST and
    other regions outside the upper extremity become unknown, with a DatasetWarning), abnormal (1/0,
    true/false, yes/no, positive/negative, abnormal/normal, or empty for no label).
    Optional columns: split, view, laterality (L, R), findings (categories joined by ';'), boxes
    (JSON list of [x, y, width, height] or {"box": [...], "category": ...} in pixels of the file),
    box_format (xywh; xyxy: corners; yolo: centre and size as shares of the image), mask. Other
    columns are ignored. Rows without any value are left out (DatasetWarning). Rows with the same
    study_id and body part are one study. Studies are in the order of their first rows.

    `categories` of a study are its findings. They are empty for a normal study, and None where the
    column is missing or is empty in all rows of a study that is not normal.

    Raises DatasetError with line numbers for values that are not allowed, for files that do not
    exist, and for contradictory rows of a study; SplitError for a patient in two splits.
    """
    path = Path(table)
    text = read_table_text(path)
    rows = _parsed(path, text.rows)
    _check_paths(path, rows)
    _check_studies(path, rows)
    _check_splits(path, rows)
    if text.blank:
        message = f"{path}: {text.blank} rows hold no value and are left out"
        warnings.warn(message, DatasetWarning, stacklevel=2)
    _warn_of_normal_with_findings(path, rows)
    _warn_of_other_regions(path, rows)
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.study_id, row.body_part or ""].append(row)
    studies = [_study(group) for group in groups.values()]
    _check_keys(path, studies)
    return studies


def read_columns(table: Path | str) -> dict[Path, dict[str, str]]:
    """Return all cells of a table by column, for each image's path; raises like `index_table`."""
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


def _check_paths(path: Path, rows: Sequence[Row]) -> None:
    first: dict[str, int] = {}
    twice = []
    for row in rows:
        # Two paths of the same file, through dots or links, must count as the same image.
        image = os.path.realpath(row.image.path)
        if image in first:
            twice.append(f"line {row.line}: {row.image.path} (first on line {first[image]})")
        first.setdefault(image, row.line)
    if twice:
        raise DatasetError(f"{path}: {len(twice)} paths occur twice:{listed(twice)}")
    missing = [f"line {r.line}: {p}" for r in rows for p in r.files if not os.path.isfile(p)]
    if missing:
        raise DatasetError(
            f"{path}: {len(missing)} files are missing (paths are relative to the table's "
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


def _warn_of_normal_with_findings(path: Path, rows: Sequence[Row]) -> None:
    odd = [
        f"line {r.line}: {r.image.path.name}"
        for r in rows
        if r.abnormal is False and (r.categories or r.image.findings)
    ]
    if odd:
        warnings.warn(
            f"{path}: {len(odd)} rows have abnormal 0 but findings or boxes: they count as "
            f"normal; correct the label, or remove the findings:{listed(odd)}",
            DatasetWarning,
            stacklevel=3,
        )


def _warn_of_other_regions(path: Path, rows: Sequence[Row]) -> None:
    other = Counter(r.other_region for r in rows if r.other_region)
    if other:
        counts = ", ".join(f"{k} {n}" for k, n in sorted(other.items())[:10])
        warnings.warn(
            f"{path}: {other.total()} of {len(rows)} rows are not of the upper extremity "
            f"({counts}): their body part is treated as unknown",
            DatasetWarning,
            stacklevel=3,
        )


def _check_keys(path: Path, studies: Sequence[Study]) -> None:
    """Raise DatasetError for studies with equal keys, which slashes in ids can cause."""
    twice = [key for key, n in Counter(s.key for s in studies).items() if n > 1]
    if twice:
        raise DatasetError(
            f"{path}: {len(twice)} study keys (body part/patient/study) occur twice: "
            f"remove the slash from patient_id and study_id:{listed(twice)}"
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
