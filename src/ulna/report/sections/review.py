"""Probable label errors, from review.csv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ulna.evaluation.scores import Json
from ulna.report.sections.folders import Included

SHOWN = 10


def content(included: Included) -> Json:
    """Return the content of review.html.j2. Raises ValueError for an empty list."""
    rows: Sequence[Mapping[str, str]] = included.result
    if not rows:
        raise ValueError("no label in it")
    parts = sorted({r["body_part"] for r in rows})
    counts = {p: _count([r for r in rows if r["body_part"] == p]) for p in parts}
    if len(counts) > 1:
        counts["ALL"] = _count(rows)
    return {
        "counts": counts,
        "all": _count(rows),
        "first": [_shown(r) for r in rows[:SHOWN]],
    }


def _count(rows: Sequence[Mapping[str, str]]) -> Json:
    flagged = [r["label"] for r in rows if int(r["flagged"])]
    return {
        "n": len(rows),
        "n_abnormal": sum(r["label"] == "abnormal" for r in rows),
        "flagged_normal": flagged.count("normal"),
        "flagged_abnormal": flagged.count("abnormal"),
        "flagged": len(flagged),
    }


def _shown(row: Mapping[str, str]) -> Json:
    return {
        "rank": int(row["rank"]),
        "study": row["study"],
        "label": row["label"],
        "probability": float(row["study_probability"]),
        "quality": float(row["label_quality"]),
        "flagged": bool(int(row["flagged"])),
    }
