"""The score of the MURA competition and the rank it would have, from score.json."""

from __future__ import annotations

from ulna.evaluation.mura_score import OVERALL
from ulna.evaluation.scores import Json
from ulna.report.sections.folders import Included


def content(included: Included) -> Json:
    """Return the content of score.html.j2."""
    rows: Json = included.result
    return {
        "rows": {OVERALL: _row(rows[OVERALL])} | {n: _row(row) for n, row in rows.items()},
        "ranks": {n: r["standing"] for n, r in rows.items() if r["standing"] is not None},
    }


def _row(row: Json) -> Json:
    """Join each interval with the kappa, as the filters expect it."""
    return {
        "n": row["n"],
        "n_abnormal": row["n_abnormal"],
        "analytic": {"value": row["kappa"], **row["analytic"]},
        "bootstrap": {**row["bootstrap"], "value": row["kappa"]},
    }
