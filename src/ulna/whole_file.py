"""Files that are written whole or not at all: under another name, which is then changed."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"
"""What the name of an unfinished file ends in."""


@contextmanager
def whole_file(path: Path, durable: bool = False, ending: str = PARTIAL) -> Iterator[BinaryIO]:
    """A stream of bytes that is the file `path` once the block has ended.

    Where anything is raised, `path` stays as it was, and the unfinished file, which is named
    `path` + `ending`, goes. durable: on the disk before it gets its name, so that a loss of power
    leaves the old file or the new one.
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


def write_whole(
    path: Path, data: bytes | str, errors: str = "strict", durable: bool = False
) -> None:
    """`data` in the file `path`, as in `whole_file`; text as UTF-8, its lines ended as here usual.

    errors: of the encoding, as `str.encode` takes it.
    """
    if isinstance(data, str):
        data = data.replace("\n", os.linesep).encode("utf-8", errors)
    with whole_file(path, durable) as stream:
        stream.write(data)


def csv_bytes(
    columns: Sequence[str], rows: Iterable[Mapping[str, object]], head: bool = True
) -> bytes:
    """`rows` as CSV, under the names of their `columns` where `head` is; a missing cell is empty.

    Lines end in a line feed. Bytes of a file's name that are no UTF-8 appear as `\\udcXX`.
    """
    text = io.StringIO(newline="")
    usual, odd = (
        csv.DictWriter(text, columns, restval="", lineterminator="\n", quoting=quoting)
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    )
    if head:
        usual.writeheader()
    for row in rows:
        # A carriage return ends a row for those who read, but is not quoted by itself.
        (odd if any("\r" in str(cell) for cell in row.values()) else usual).writerow(row)
    return text.getvalue().encode("utf-8", "backslashreplace")
