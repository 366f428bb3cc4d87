"""Verify a folder of results by its receipt: compare hashes of files, and recompute the numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ulna.config.codec import to_json
from ulna.digest import file_sha256
from ulna.errors import UlnaError
from ulna.evaluation.crossval_scores import crossval_scores
from ulna.evaluation.scores import Json, Resampling
from ulna.evaluation.summary import summarise
from ulna.evaluation.table_reading import read_predictions
from ulna.json_text import parse_json
from ulna.provenance.receipt import Receipt, code_versions
from ulna.types import BodyPart

# Sums in another order differ by 1e-12, and reports show three digits.
NUMBER_TOLERANCE = 1e-6
_NAMED = 3


@dataclass(frozen=True)
class Check:
    """The outcome of one comparison; `equal` is None where none was made."""

    what: str
    equal: bool | None
    message: str


def check_files(receipt: Receipt, folder: Path) -> list[Check]:
    """Compare the hashes of every file that was written and every file that was read."""
    checks = [_file(folder / n, n, digest) for n, digest in receipt.files.items()]
    for name, read in receipt.inputs.items():
        checks.append(_file(folder / read.path, f"{name} (read)", read.sha256))
    return checks


def _file(file: Path, name: str, expected: str) -> Check:
    try:
        actual = file_sha256(file)
    except OSError as error:
        message = f"{error.strerror or error}: expected SHA-256 {expected[:12]}...; copy it again"
        return Check(name, False, message)
    if actual != expected:
        message = f"SHA-256 {actual[:12]}..., expected {expected[:12]}...: altered since; "
        return Check(name, False, message + "use the original or compute the results again")
    return Check(name, True, f"SHA-256 {actual[:12]}...")


def check_code(receipt: Receipt) -> Check:
    """Compare the versions of the code; other versions are no failure, since numbers may agree."""
    here = code_versions()
    other = [
        f"{n} {v} (here {here[n]})" for n, v in receipt.code.items() if n in here and v != here[n]
    ]
    message = "made with " + ", ".join(other) if other else "the same versions"
    return Check("code", None if other else True, message)


def check_numbers(receipt: Receipt, folder: Path, groups: Json | None) -> list[Check]:
    """Recompute the reported numbers from the predictions and compare them.

    groups are those by columns of the table of `--data`, None without it.
    """
    if receipt.kind == "evaluate":
        return [_guard("metrics.json", lambda: _metrics(receipt, folder, ""))]
    if receipt.kind == "crossval":
        where = "evaluation/metrics.json"
        return [
            _guard(where, lambda: _metrics(receipt, folder, "evaluation/")),
            *_fold_scores(receipt, folder, groups),
        ]
    if receipt.kind == "score":
        return [_guard("score.json", lambda: _mura(receipt, folder))]
    return [Check(f"numbers of {receipt.kind}", None, "not recomputed: run the command again")]


def _guard(name: str, compute: Callable[[], Check]) -> Check:
    """Return the check, failed where a table cannot be read, so that other checks go on."""
    try:
        return compute()
    except (UlnaError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        return Check(f"numbers of {name}", False, f"cannot be recomputed: {error}")


def _metrics(receipt: Receipt, folder: Path, inside: str) -> Check:
    rows = read_predictions(folder / f"{inside}predictions.csv")
    parts = [BodyPart(p) for p in receipt.method["body_parts"]]
    metrics = summarise(rows, parts, _resampling(receipt))
    reported = parse_json((folder / f"{inside}metrics.json").read_text("utf-8"))
    return _compared(f"{inside}metrics.json", metrics, {k: reported.get(k) for k in metrics})


def _fold_scores(receipt: Receipt, folder: Path, groups: Json | None) -> list[Check]:
    by = list(receipt.method.get("by", ()))
    others = {
        n.removeprefix("against "): folder / f.path
        for n, f in receipt.inputs.items()
        if n.startswith("against ")
    }

    def compute() -> Check:
        sources, left_out = (receipt.method.get(n, ()) for n in ("sources", "left_out"))
        resampling = _resampling(receipt)
        scores = crossval_scores(folder, groups or {}, others, sources, left_out, resampling)
        reported = parse_json((folder / "scores.json").read_text("utf-8"))
        if groups is None and by:
            reported = _of_regions(reported)
        return _compared("scores.json", scores, reported)

    checks = [_guard("scores.json", compute)]
    if groups is None and by:
        message = "not recomputed: they need the table: give --data"
        checks.append(Check(f"scores.json by {', '.join(by)}", None, message))
    return checks


def _of_regions(reported: Json) -> Json:
    """Return the scores of groups that need no column of the table."""

    def kept(groups: Json) -> Json:
        known = ("region: ", "source: ", "left out: ")
        return {n: g for n, g in groups.items() if n == "all" or n.startswith(known)}

    return reported | {
        "scores": kept(reported["scores"]),
        "minus": {n: kept(g) for n, g in reported["minus"].items()},
    }


def _mura(receipt: Receipt, folder: Path) -> Check:
    from ulna.datasets.mura_answers import read_mura_answers, read_mura_labels
    from ulna.evaluation.mura_score import score_mura

    labels = read_mura_labels(folder / receipt.inputs["labels"].path)
    answers = read_mura_answers(folder / receipt.inputs["predictions"].path)
    scores = score_mura(labels, answers, _resampling(receipt))
    if receipt.method["phantoms"]:
        scores = {name: {**row, "standing": None} for name, row in scores.items()}
    return _compared("score.json", scores, parse_json((folder / "score.json").read_text("utf-8")))


def _resampling(receipt: Receipt) -> Resampling:
    return Resampling(int(receipt.method["draws"]), int(receipt.method["seed"]))


def _compared(name: str, recomputed: Any, reported: Any) -> Check:
    n, differing = differing_leaves(to_json(recomputed), reported)
    if differing:
        named = "; ".join(differing[:_NAMED])
        message = f"{len(differing)} of {n} differ: {named}"
        return Check(f"numbers of {name}", False, message)
    return Check(f"numbers of {name}", True, f"all {n} equal within {NUMBER_TOLERANCE:g}")


def differing_leaves(recomputed: Any, reported: Any, where: str = "") -> tuple[int, list[str]]:
    """Return the number of values compared, and a text with both values for each that differs."""
    if not isinstance(recomputed, (Mapping, list)) and not isinstance(reported, (Mapping, list)):
        same = _same(recomputed, reported)
        return 1, [] if same else [f"{where} is {reported!r}, recomputed {recomputed!r}"]
    one, other = _entries(recomputed), _entries(reported)
    n = 0
    differing: list[str] = []
    for key in dict.fromkeys([*one, *other]):
        place = f"{where}.{key}" if where else key
        more, wrong = differing_leaves(one.get(key), other.get(key), place)
        n, differing = n + more, differing + wrong
    return n, differing


def _entries(value: Any) -> Mapping[str, Any]:
    """Return the entries of an object or list by name or index, none for other values."""
    if isinstance(value, Mapping):
        return value
    return {str(i): v for i, v in enumerate(value)} if isinstance(value, list) else {}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=0, abs_tol=NUMBER_TOLERANCE)
    return bool(one == other)
