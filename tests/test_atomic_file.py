"""Files are written atomically, and rows as CSV."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ulna.atomic_file import atomic_file, csv_bytes, write_atomic


def test_the_file_is_there_when_the_block_ends(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    with atomic_file(file, durable=True) as stream:
        stream.write(b"new")
        assert [p.name for p in tmp_path.iterdir()] == ["a.bin.partial"]
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_fails_leaves_the_old_file_alone(tmp_path: Path, error: type) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"old")
    with pytest.raises(error), atomic_file(file) as stream:
        stream.write(b"half of the new")
        raise error
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_in_the_way_stays(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    (tmp_path / "b.txt.partial").mkdir()
    for name in ("a.txt", "b.txt"):
        with pytest.raises(OSError, match=name):
            write_atomic(tmp_path / name, "text")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "b.txt.partial"]


def test_text_is_as_the_system_writes_it(tmp_path: Path) -> None:
    mine, own = tmp_path / "mine.txt", tmp_path / "own.txt"
    text = "one\nzwölf \udce9\n"
    write_atomic(mine, text, errors="backslashreplace")
    own.write_text(text, encoding="utf-8", errors="backslashreplace")
    assert mine.read_bytes() == own.read_bytes()


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    rows = [{"a": "1", "b": 'x,"y"'}, {"a": "two\rlines"}]
    data = csv_bytes(("a", "b"), rows)
    read = list(csv.DictReader(data.decode().splitlines(keepends=True)))
    assert data.startswith(b"a,b\n") and read[0] == rows[0]
    write_atomic(tmp_path / "t.csv", data)
    with (tmp_path / "t.csv").open(newline="") as handle:
        assert list(csv.DictReader(handle)) == [rows[0], {"a": "two\rlines", "b": ""}]
    assert csv_bytes(("a", "b"), rows, head=False) == data.removeprefix(b"a,b\n")
