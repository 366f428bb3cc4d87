"""The score of the MURA competition and where it would stand, from score.json."""

from __future__ import annotations

from ulna.evaluation.mura_score import OVERALL
from ulna.evaluation.scores import Json
from ulna.report.sections.folders import Included


def content(included: Included) -> Json:
    """What score.html.j2 shows."""
    rows: Json = included.result
    return {
        "rows": {OVERALL: _row(rows[OVERALL])} | {n: _row(row) for n, row in rows.items()},
        "standing": {n: r["standing"] for n, r in rows.items() if r["standing"] is not None},
    }


def _row(row: Json) -> Json:
    """Each interval beside the one kappa, as the filters take them."""
    return {
        "n": row["n"],
        "n_abnormal": row["n_abnormal"],
        "analytic": {"value": row["kappa"], **row["analytic"]},
        "bootstrap": {**row["bootstrap"], "value": row["kappa"]},
    }
