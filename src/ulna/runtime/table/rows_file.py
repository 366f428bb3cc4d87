"""Rows as CSV, appended; what was not committed before a kill is cut off when it is reopened."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ulna.atomic_file import csv_bytes
from ulna.errors import ConfigError
from ulna.runtime.table.columns import COLUMNS, Cells

_NAMES = [c.name for c in COLUMNS]


class RowsFile:
    """An open file of rows; make it with `open_rows`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, rows: Iterable[Cells]) -> None:
        """Append rows; they are safe after `sync`."""
        self._stream.write(csv_bytes(_NAMES, rows, head=False))

    def write_head(self) -> None:
        """Append the columns' names."""
        self._stream.write(csv_bytes(_NAMES, ()))

    def sync(self) -> int:
        """Put what was written on the disk; the file's length in bytes."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        return self._stream.tell()


@contextmanager
def open_rows(path: Path, committed: int) -> Iterator[RowsFile]:
    """The rows at `path`, cut off after the first `committed` bytes.

    Raises ConfigError where the file is shorter: rows that were counted are gone.
    """
    with path.open("ab") as stream:
        length = os.fstat(stream.fileno()).st_size
        if length < committed:
            raise ConfigError(
                f"{path}: {length} bytes, but its journal counts {committed}: remove both and "
                "begin again"
            )
        stream.truncate(committed)
        stream.seek(committed)
        rows = RowsFile(stream)
        if not committed:
            rows.write_head()
        yield rows


def read_rows(path: Path) -> Iterator[Cells]:
    """The rows of a file, one after another."""
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)
