"""What differs between two records of scripts/golden.py: a line for each difference."""

from __future__ import annotations

import csv
import difflib
import io
import itertools
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

RELATIVE = 1e-9
MOST = 8  # differences told of one file
# Keys of JSON files and columns of CSV files that hold durations.
IGNORED = frozenset({"seconds", "window_seconds", "milliseconds"})
# Names of cache folders: a hash that takes in when each film was written.
_KEY = re.compile(r"\b[0-9a-f]{20}\b")
_TEXT = {".html", ".svg", ".txt", ".md"}
_SPACE = re.compile(r"[ \t]+")
_EMBEDDED = re.compile(r"base64,([A-Za-z0-9+/=]+)")


def compare(a: Path, b: Path) -> Iterator[str]:
    """Lines `call: file: what differs`; nothing where the records are equal."""
    for folder in (a, b):
        if not (folder / "golden.json").is_file():
            yield f"{folder}: no complete record (golden.json is missing)"
    places = [_place(folder) for folder in (a, b)]
    names = [{p.parent.name for p in folder.glob("*/call.json")} for folder in (a, b)]
    for name in sorted(names[0] | names[1]):
        if name not in names[0] & names[1]:
            yield f"{name}: only in {a if name in names[0] else b}"
            continue
        yield from _cut(f"{name}: ", _call(a / name, b / name))
        yield from _files(name, a / name / "files", b / name / "files", places)


def _place(folder: Path) -> str:
    about = folder / "golden.json"
    return str(json.loads(about.read_text("utf-8"))["here"]) if about.is_file() else ""


def _cut(before: str, lines: Iterator[str]) -> Iterator[str]:
    """The first lines, and how many more there are."""
    yield from (before + line for line in itertools.islice(lines, MOST))
    more = sum(1 for _ in lines)
    if more:
        yield f"{before}and {more} more"


def _call(a: Path, b: Path) -> Iterator[str]:
    """Exit code, words, removed files, what was said."""
    told = [json.loads((folder / "call.json").read_text("utf-8")) for folder in (a, b)]
    for key in ("code", "words", "removed"):
        if told[0][key] != told[1][key]:
            yield f"{key} {told[0][key]} -> {told[1][key]}"
    for stream in ("stdout", "stderr"):
        said = [(folder / f"{stream}.txt").read_text("utf-8") for folder in (a, b)]
        if said[0] != said[1]:
            found = _json(*said) if all(map(_is_json, said)) else _lines(*said)
            yield from (f"{stream}: {line}" for line in found)


def _files(name: str, a: Path, b: Path, places: list[str]) -> Iterator[str]:
    first, second = _named(a), _named(b)
    for file in sorted(first.keys() ^ second.keys()):
        yield f"{name}: {file}: written only in the {'first' if file in first else 'second'}"
    for file in sorted(first.keys() & second.keys()):
        raw = [found[file].read_bytes() for found in (first, second)]
        if raw[0] != raw[1]:
            pair = [
                r.replace(p.encode(), b"{here}") if p else r
                for r, p in zip(raw, places, strict=True)
            ]
            yield from _cut(f"{name}: {file}: ", file_differences(Path(file).suffix, *pair))


def _named(folder: Path) -> dict[str, Path]:
    """The files by name; that of a cache as {key}, where no other would be called so too."""
    paths = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    short = Counter(_KEY.sub("{key}", name) for name in paths)
    return {
        shortened if short[shortened := _KEY.sub("{key}", name)] == 1 else name: path
        for name, path in paths.items()
    }


def file_differences(suffix: str, a: bytes, b: bytes) -> Iterator[str]:
    """How two files of the kind `suffix` differ."""
    arrays = _ARRAYS.get(suffix)
    if suffix == ".json":
        yield from _json(a.decode(), b.decode())
    elif suffix == ".csv":
        yield from _table(a.decode(), b.decode())
    elif suffix in _TEXT:
        yield from _lines(_readable(a.decode()), _readable(b.decode()))
    elif arrays is not None:
        yield from _array_differences(arrays(a), arrays(b))
    elif a != b:
        yield f"{len(a)} bytes -> {len(b)} bytes, not equal"


def _readable(page: str) -> str:
    """A line for each element, pictures by their digests."""
    page = _EMBEDDED.sub(lambda found: f"base64, {zlib.crc32(found[1].encode()):08x}", page)
    return _SPACE.sub(" ", page).replace("><", ">\n<")


def _lines(a: str, b: str) -> Iterator[str]:
    for line in difflib.unified_diff(a.splitlines(), b.splitlines(), lineterm="", n=0):
        if not line.startswith(("---", "+++", "@@")):
            yield line[:200]


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (dict, list))
    except ValueError:
        return False


def _json(a: str, b: str) -> Iterator[str]:
    yield from _values("", json.loads(a), json.loads(b))


def _values(where: str, a: Any, b: Any) -> Iterator[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted((a.keys() | b.keys()) - IGNORED):
            yield from _values(f"{where}.{key}", a.get(key, "absent"), b.get(key, "absent"))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for k, (first, second) in enumerate(zip(a, b, strict=True)):
            yield from _values(f"{where}[{k}]", first, second)
    elif not _same(a, b):
        yield f"{where or 'all'}: {str(a)[:80]} -> {str(b)[:80]}"


def _same(a: Any, b: Any) -> bool:
    """Equal, of the same kind; floats to RELATIVE, and nan to nan."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=RELATIVE) or (math.isnan(a) and math.isnan(b))
    return type(a) is type(b) and bool(a == b)


def _table(a: str, b: str) -> Iterator[str]:
    rows = [list(csv.reader(io.StringIO(text))) for text in (a, b)]
    if len(rows[0]) != len(rows[1]):
        yield f"{len(rows[0])} rows -> {len(rows[1])} rows"
        return
    head = rows[0][0] if rows[0] else []
    for k, (first, second) in enumerate(zip(*rows, strict=True)):
        if len(first) != len(second):
            yield f"row {k}: {len(first)} cells -> {len(second)} cells"
            continue
        for i, (x, y) in enumerate(zip(first, second, strict=True)):
            column = head[i] if i < len(head) else str(i)
            if column not in IGNORED and x != y and not _same(_number(x), _number(y)):
                yield f"row {k}, {column}: {x[:80]} -> {y[:80]}"


def _number(cell: str) -> float | str:
    """A float; a whole number and any other text as they stand."""
    try:
        return cell if cell.lstrip("+-").isdigit() else float(cell)
    except ValueError:
        return cell


def _npy(raw: bytes) -> dict[str, Any]:
    return {"array": np.load(io.BytesIO(raw))}


def _npz(raw: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(raw)) as held:
        return dict(held)


def _safetensors(raw: bytes) -> dict[str, Any]:
    from safetensors.numpy import load

    return dict(load(raw))


_ARRAYS: dict[str, Callable[[bytes], dict[str, Any]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".safetensors": _safetensors,
}


def _array_differences(a: dict[str, Any], b: dict[str, Any]) -> Iterator[str]:
    for key in sorted(a.keys() | b.keys()):
        if key not in a or key not in b:
            yield f"{key}: only in the {'first' if key in a else 'second'}"
        elif a[key].shape != b[key].shape or a[key].dtype != b[key].dtype:
            kinds = [f"{x.dtype} {x.shape}" for x in (a[key], b[key])]
            yield f"{key}: {kinds[0]} -> {kinds[1]}"
        elif a[key].tobytes() != b[key].tobytes():
            differing = int((a[key] != b[key]).sum())
            yield f"{key}: {differing} of {a[key].size} values differ"
