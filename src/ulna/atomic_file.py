"""Atomic writing of files (to a temporary name, then renamed), and rows as CSV."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"
"""Suffix of the name of an unfinished file."""


@contextmanager
def atomic_file(path: Path, durable: bool = False, ending: str = PARTIAL) -> Iterator[BinaryIO]:
    """Open a binary stream whose contents become the file `path` when the block ends.

    If an exception is raised, `path` is left unchanged and the temporary file `path` + `ending` is
    deleted. durable: sync to disk before renaming, so that a loss of power leaves either the old
    or the new file.
    """
    partial = path.with_name(path.name + ending)
    stream = partial.open("wb")
    try:
        with stream:
            yield stream
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def write_atomic(
    path: Path, data: bytes | str, errors: str = "strict", durable: bool = False
) -> None:
    """Write `data` to the file `path` by `atomic_file`; text as UTF-8 with the system's line ends.

    errors: how to handle encoding errors, as in `str.encode`.
    """
    if isinstance(data, str):
        data = data.replace("\n", os.linesep).encode("utf-8", errors)
    with atomic_file(path, durable) as stream:
        stream.write(data)


def csv_bytes(
    columns: Sequence[str], rows: Iterable[Mapping[str, object]], head: bool = True
) -> bytes:
    """Return `rows` as CSV, with a header of `columns` if `head` is true; a missing cell is empty.

    Lines end in a line feed. Bytes of a file name that are not UTF-8 appear as `\\udcXX`.
    """
    text = io.StringIO(newline="")
    minimal, quoted = (
        csv.DictWriter(text, columns, restval="", lineterminator="\n", quoting=quoting)
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    )
    if head:
        minimal.writeheader()
    for row in rows:
        # Readers take a carriage return for the end of a row, but the writer does not quote it.
        (quoted if any("\r" in str(cell) for cell in row.values()) else minimal).writerow(row)
    return text.getvalue().encode("utf-8", "backslashreplace")
