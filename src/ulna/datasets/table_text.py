"""Read the text of a table: detect its encoding and delimiter, and return its rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ulna.datasets.listing import listed
from ulna.datasets.table_row import REQUIRED
from ulna.errors import DatasetError

TABLE_ENDINGS = (".csv", ".tsv")
_MARKS = (",", ";", "\t", "|")
# Excel writes this line above a table whose delimiter is not a comma.
_SEP_LINE = re.compile(r"\A\s*\"?sep=([,;|\t])\"?[ ]*\r?\n", re.IGNORECASE)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")

Numbered = tuple[int, dict[str, str]]
"""The number of a row's last line, and its cells by column."""


def is_table(path: Path) -> bool:
    """Whether a file is a table, judged by the ending of its name."""
    return path.suffix.lower() in TABLE_ENDINGS


@dataclass(frozen=True)
class _TableText:
    """Columns and rows of a table; blank is the number of rows without a value, left out."""

    columns: tuple[str, ...]
    rows: tuple[Numbered, ...]
    blank: int


def read_table_text(path: Path, required: Sequence[str] = REQUIRED) -> _TableText:
    """Return the cells of a table in UTF-8 (or UTF-16 with a byte order mark), all as text.

    The delimiter is a comma, semicolon, tab or vertical bar, whichever splits the first row into
    most of the `required` columns. Raises DatasetError with line numbers for a file that is not a
    table, lacks a required column or has rows with another number of values.
    """
    text = _text(path)
    sep = _SEP_LINE.match(text)
    skipped = text[: sep.end()].count("\n") if sep else 0
    text = text[sep.end() :] if sep else text
    mark = sep[1] if sep else _mark(text, required)
    lines = [(n + skipped, cells) for n, cells in _lines(path, text, mark, skipped)]
    while lines and not lines[-1][1]:  # empty lines after the last row are not rows
        lines.pop()
    filled = [(n, [c.strip() for c in cells]) for n, cells in lines]
    filled = [(n, cells) for n, cells in filled if any(cells)]
    columns = filled[0][1] if filled else []
    _check_columns(path, columns, required)
    rows = _rows(path, columns, filled[1:])
    return _TableText(tuple(columns), rows, sum(n > filled[0][0] for n, _ in lines) - len(rows))


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        text = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig")
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file: expected a CSV table") from None
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: not UTF-8 ({error}): save the table as UTF-8") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror or error}") from None
    if "\0" in text:  # neither text nor file names contain it
        raise DatasetError(
            f"{path}: line {text[: text.index(chr(0))].count(chr(10)) + 1}: a zero byte: expected "
            "text: save the table as UTF-8"
        )
    return text


def first_row(path: Path) -> set[str]:
    """Return the cells of the first row that is not empty, split by any of the delimiters.

    The set is empty for a file that cannot be read as text. `read_table_text` reports the fault.
    """
    try:
        text = _text(path)
    except DatasetError:
        return set()
    sep = _SEP_LINE.match(text)
    head = _head(text[sep.end() :] if sep else text)
    return set().union(*(_cells(head, mark) for mark in _MARKS))


def _head(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")


def _mark(text: str, required: Sequence[str]) -> str:
    head = _head(text)
    cells = {mark: _cells(head, mark) for mark in _MARKS}
    return max(_MARKS, key=lambda m: (len(set(required) & cells[m]), m == ","))


def _cells(line: str, mark: str) -> set[str]:
    try:
        return {c.strip() for row in csv.reader([line], delimiter=mark) for c in row}
    except csv.Error:
        return set()


def _lines(path: Path, text: str, mark: str, skipped: int) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    try:
        return [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        line = reader.line_num + skipped
        raise DatasetError(f"{path}: line {line}: not CSV: {error}") from None


def _rows(
    path: Path, columns: Sequence[str], lines: Sequence[tuple[int, list[str]]]
) -> tuple[Numbered, ...]:
    width = len(columns)
    ragged = [f"line {n}" for n, cells in lines if len(cells) < width or any(cells[width:])]
    if ragged:
        raise DatasetError(
            f"{path}: {len(ragged)} rows do not have {width} values:{listed(ragged)}"
        )
    if not lines:
        raise DatasetError(f"{path}: has no rows: expected one row for each radiograph")
    return tuple((n, dict(zip(columns, cells, strict=False))) for n, cells in lines)


def _check_columns(path: Path, columns: Sequence[str], required: Sequence[str]) -> None:
    if not any(columns):
        raise DatasetError(f"{path}: is empty: expected a first row {','.join(required)}")
    missing = [c for c in required if c not in columns]
    if missing:
        raise DatasetError(
            f"{path}: line 1: columns {', '.join(missing)} are missing among "
            f"{', '.join(columns)[:300]}: expected at least {', '.join(required)}, with commas, "
            "semicolons or tabs between them"
        )
    twice = sorted({c for c in columns if c and columns.count(c) > 1})
    if twice:
        raise DatasetError(f"{path}: line 1: columns {', '.join(twice)} occur twice")
