"""The rows of an unfinished table as CSV; uncommitted rows are removed when it is reopened."""

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
    """An open file of rows, created by `open_rows`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, rows: Iterable[Cells]) -> None:
        """Append rows; they are on disk after `sync`."""
        self._stream.write(csv_bytes(_NAMES, rows, head=False))

    def write_head(self) -> None:
        """Append the header."""
        self._stream.write(csv_bytes(_NAMES, ()))

    def sync(self) -> int:
        """Sync the file to disk and return its length in bytes."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        return self._stream.tell()


@contextmanager
def open_rows(path: Path, committed: int) -> Iterator[RowsFile]:
    """Open the rows at `path`, truncated to the first `committed` bytes.

    Raises ConfigError if the file is shorter, since committed rows are missing.
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
    """Yield the rows of a file."""
    with path.open(encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)
