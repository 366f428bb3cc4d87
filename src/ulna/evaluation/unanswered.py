"""Which studies have no answer, which masks could not be used, and why: counted, with names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ulna.evaluation.rows import StudyRow
from ulna.evaluation.scores import Json
from ulna.types import Study

_NAMED = 5
_SHOWN = 8
# What differs between two faults of one kind: numbers, and bytes of the file.
_VARIES = re.compile(r"b'[^']*'|b\"[^\"]*\"|\d+")


@dataclass(frozen=True)
class _Reason:
    """Faults of one kind. text: of the first. names: of the first few. n: how many there are."""

    text: str
    n: int
    names: tuple[str, ...]


def fault_kind(fault: str, study: Study) -> str:
    """`fault` without the study's key and its files' names: equal for faults that are alike."""
    for name in (f"study {study.key}: ", *(f"{i.path}: " for i in study.images)):
        fault = fault.replace(name, "")
    # A study of two views that fail alike is as one of a single view.
    return "; ".join(dict.fromkeys(fault.removeprefix("no readable radiograph: ").split("; ")))


def reasons(faults: Iterable[tuple[str, str, str]]) -> list[_Reason]:
    """(name, text, kind) of every fault, gathered by kind; the most frequent first."""
    result: dict[str, list[tuple[str, str]]] = {}
    for name, text, kind in faults:
        result.setdefault(_VARIES.sub("#", kind or text), []).append((name, text))
    alike = [
        _Reason(own[0][1], len(own), tuple(name for name, _ in own[:_NAMED]))
        for own in result.values()
    ]
    return sorted(alike, key=lambda r: -r.n)


def no_answer(rows: Sequence[StudyRow]) -> list[_Reason]:
    """Why studies have no answer; named by their keys."""
    return reasons((r.key, r.fault, r.kind) for r in rows if r.fault)


def no_place(rows: Sequence[StudyRow]) -> list[_Reason]:
    """Why masks could not be used; named by their images."""
    masks = [(i.ref, i.mask_error) for r in rows for i in r.images if i.mask_error]
    return reasons(
        (ref.path.name, error, error.replace(str(ref.mask), "").replace(ref.path.name, ""))
        for ref, error in masks
    )


def reasons_json(result: Sequence[_Reason]) -> list[Json]:
    """As metrics.json has them: `reason` of the first, `n`, and `first` of the names."""
    return [{"reason": r.text, "n": r.n, "first": list(r.names)} for r in result]


def reasons_text(head: str, result: Sequence[Json]) -> str:
    """`head`, then a line for each of `reasons_json`; '' where there is none."""
    if not result:
        return ""
    lines = [f"{head}:"]
    for reason in result[:_SHOWN]:
        more = reason["first"][1:]
        left = reason["n"] - 1 - len(more)
        beside = [*more, *([f"{left} more"] if left else [])]
        also = f"; also {', '.join(beside)}" if beside else ""
        lines.append(f"{reason['n']}: {reason['reason']}{also}")
    if len(result) > _SHOWN:
        rest = result[_SHOWN:]
        lines.append(f"{sum(r['n'] for r in rest)}: for {len(rest)} more reasons")
    return "\n  ".join(lines)
