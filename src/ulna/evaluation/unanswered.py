"""Count and name the studies without an answer and the masks that cannot be used, by reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ulna.evaluation.rows import StudyRow
from ulna.evaluation.scores import Json
from ulna.types import Study

_NAMED = 5
_SHOWN = 8
# Numbers and bytes of the file may differ between two faults of the same kind.
_VARIES = re.compile(r"b'[^']*'|b\"[^\"]*\"|\d+")


@dataclass(frozen=True)
class _Reason:
    """Faults of one kind: the text of the first, their number and the names of the first few."""

    text: str
    n: int
    names: tuple[str, ...]


def fault_kind(fault: str, study: Study) -> str:
    """Return `fault` without the study's key and file names, equal for faults of one kind."""
    for name in (f"study {study.key}: ", *(f"{i.path}: " for i in study.images)):
        fault = fault.replace(name, "")
    # A fault that two views share counts once.
    return "; ".join(dict.fromkeys(fault.removeprefix("no readable radiograph: ").split("; ")))


def reasons(faults: Iterable[tuple[str, str, str]]) -> list[_Reason]:
    """Group faults, each (name, text, kind), by kind, the most frequent first."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for name, text, kind in faults:
        kinds.setdefault(_VARIES.sub("#", kind or text), []).append((name, text))
    grouped = [
        _Reason(own[0][1], len(own), tuple(name for name, _ in own[:_NAMED]))
        for own in kinds.values()
    ]
    return sorted(grouped, key=lambda r: -r.n)


def no_answer(rows: Sequence[StudyRow]) -> list[_Reason]:
    """Return the reasons why studies have no answer, with the studies' keys."""
    return reasons((r.key, r.fault, r.kind) for r in rows if r.fault)


def no_place(rows: Sequence[StudyRow]) -> list[_Reason]:
    """Return the reasons why masks could not be used, with the images' names."""
    masks = [(i.ref, i.mask_error) for r in rows for i in r.images if i.mask_error]
    return reasons(
        (ref.path.name, error, error.replace(str(ref.mask), "").replace(ref.path.name, ""))
        for ref, error in masks
    )


def reasons_json(listed: Sequence[_Reason]) -> list[Json]:
    """Return reasons as in metrics.json: `reason`, the number `n` and the `first` names."""
    return [{"reason": r.text, "n": r.n, "first": list(r.names)} for r in listed]


def reasons_text(head: str, listed: Sequence[Json]) -> str:
    """Return `head` and a line for each item of `reasons_json`, '' where there is none."""
    if not listed:
        return ""
    lines = [f"{head}:"]
    for reason in listed[:_SHOWN]:
        more = reason["first"][1:]
        left = reason["n"] - 1 - len(more)
        beside = [*more, *([f"{left} more"] if left else [])]
        also = f"; also {', '.join(beside)}" if beside else ""
        lines.append(f"{reason['n']}: {reason['reason']}{also}")
    if len(listed) > _SHOWN:
        rest = listed[_SHOWN:]
        lines.append(f"{sum(r['n'] for r in rest)}: for {len(rest)} more reasons")
    return "\n  ".join(lines)
