"""scripts/golden_compare.py: what it must find between two records, and what is no difference."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scripts.golden_compare import compare, file_differences


def _record(folder: Path) -> Path:
    """Two calls, as scripts/golden.py keeps them."""
    for name in ("info", "evaluate-json"):
        call = folder / name
        (call / "files/out").mkdir(parents=True)
        reported = {"code": 0, "words": [name], "removed": [], "written": ["out/scores.json"]}
        (call / "call.json").write_text(json.dumps(reported))
        (call / "stdout.txt").write_text('{"auroc": 0.75}\n')
        (call / "stderr.txt").write_text("a note\n")
        scores = {"auroc": [0.5, 0.625], "seconds": 1.0, "n": 3, "low": float("nan")}
        (call / "files/out/scores.json").write_text(json.dumps(scores))
        (call / "files/out/rows.csv").write_text("study,probability\ns0,0.25\n")
    (folder / "golden.json").write_text(json.dumps({"here": str(folder)}))
    return folder


@pytest.fixture
def records(tmp_path: Path) -> tuple[Path, Path]:
    a = _record(tmp_path / "a")
    return a, Path(shutil.copytree(a, tmp_path / "b"))


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_equal_records_have_no_difference(records: tuple[Path, Path]) -> None:
    a, b = records
    assert list(compare(a, b)) == []
    # Durations, the last digits of floats and the order of keys are none.
    _edit(b / "info/files/out/scores.json", '"seconds": 1.0, "n": 3', '"n": 3, "seconds": 9.5')
    _edit(b / "info/files/out/scores.json", "0.625", "0.62500000000001")
    _edit(b / "info/files/out/rows.csv", "0.25", "0.250")
    assert list(compare(a, b)) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("files/out/scores.json", "0.625", "0.6251", "out/scores.json: .auroc[1]: 0.625 -> 0.6251"),
        ("files/out/scores.json", '"n": 3', '"n": 3.0', "out/scores.json: .n: 3 -> 3.0"),
        ("files/out/scores.json", '"n": 3', '"m": 3', "out/scores.json: .m: absent -> 3"),
        ("files/out/rows.csv", "0.25", "0.26", "out/rows.csv: row 1, probability: 0.25 -> 0.26"),
        ("files/out/rows.csv", "s0,0.25\n", "", "out/rows.csv: 2 rows -> 1 rows"),
        ("stdout.txt", "0.75", "0.76", "stdout: .auroc: 0.75 -> 0.76"),
        ("stderr.txt", "a note", "another", "stderr: -a note"),
        ("call.json", '"code": 0', '"code": 3', "code 0 -> 3"),
    ],
)
def test_what_changed_is_said(
    records: tuple[Path, Path], file: str, old: str, new: str, message: str
) -> None:
    a, b = records
    _edit(b / "info" / file, old, new)
    assert f"info: {message}" in list(compare(a, b))


def test_what_is_missing_is_said(records: tuple[Path, Path]) -> None:
    a, b = records
    (b / "info/files/out/scores.json").unlink()
    shutil.rmtree(b / "evaluate-json")
    (a / "golden.json").unlink()
    assert list(compare(a, b)) == [
        f"{a}: no complete record (golden.json is missing)",
        f"evaluate-json: only in {a}",
        "info: out/scores.json: written only in the first",
    ]


def test_caches_are_named_by_when_images_were_written(records: tuple[Path, Path]) -> None:
    keys = ["0123456789abcdef0123", "0123456789abcdef4567"]
    for folder, key in zip(records, keys, strict=True):
        cache = folder / "info/files/cache" / key
        cache.mkdir(parents=True)
        (cache / "done.json").write_text("{}")
    assert list(compare(*records)) == []
    (records[1] / "info/files/cache" / keys[1] / "done.json").write_text("[]")
    assert list(compare(*records)) == ["info: cache/{key}/done.json: all: {} -> []"]


def test_arrays_are_compared_by_value_and_graphs_by_their_bytes() -> None:
    def saved(value: float, squeezed: bool) -> bytes:
        stream = io.BytesIO()
        save = np.savez_compressed if squeezed else np.savez
        save(stream, x=np.array([1.0, value]))
        return stream.getvalue()

    assert list(file_differences(".npz", saved(2, True), saved(2, False))) == []
    assert list(file_differences(".npz", saved(2, True), saved(3, True))) == [
        "x: 1 of 2 values differ"
    ]
    assert list(file_differences(".onnx", b"ab", b"ac")) == ["2 bytes -> 2 bytes, not equal"]


def test_pages_are_told_by_element_and_pictures_by_their_digests() -> None:
    def page(picture: str, message: str) -> bytes:
        return f'<p>  {message}</p><img src="data:image/png;base64,{picture}"><p>end</p>'.encode()

    assert (
        list(file_differences(".html", page("aa", "x"), page("aa", "x").replace(b"  ", b" "))) == []
    )
    result = list(file_differences(".html", page("a" * 999, "x"), page("b" * 999, "x")))
    assert len(result) == 2 and all("base64, " in line and len(line) < 60 for line in result)
