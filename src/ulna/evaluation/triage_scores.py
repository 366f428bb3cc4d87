"""Coverage of triage by body part and label, compared with its error rate, and its referrals."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import special

from ulna.evaluation.rows import Answer, StudyRow, parts_of, scored_rows
from ulna.evaluation.scores import Json
from ulna.types import Triage, triage_of

ERROR_RATES = (0.05, 0.10, 0.20)
_ALL = "ALL"


def triage_scores(rows: Sequence[StudyRow]) -> Json | None:
    """Return `{rate: {group: {normal, abnormal, n_referred, ...}}}` over the scored rows.

    normal and abnormal have the number of studies of that label, the share whose label was not
    ruled out, its exact binomial interval (Clopper and Pearson 1934) and whether that reaches
    1 - rate. Studies count as independent. The result is None without p-values.
    """
    scored = [r for r in scored_rows(rows) if r.given is not None and r.given.p_normal is not None]
    if not scored:
        return None
    groups = {p.value: [r for r in scored if r.part == p] for p in parts_of(scored)}
    groups[_ALL] = scored
    return {f"{e:.2f}": {n: _group(g, e) for n, g in groups.items()} for e in ERROR_RATES}


def binomial_interval(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of the share `hits` / `n` (Clopper and Pearson 1934)."""
    tail = (1 - level) / 2
    low = special.betaincinv(hits, n - hits + 1, tail) if hits else 0.0
    high = special.betaincinv(hits + 1, n - hits, 1 - tail) if hits < n else 1.0
    return float(low), float(high)


def _group(rows: Sequence[StudyRow], rate: float) -> Json:
    answers = [r.given for r in rows if r.given is not None]
    called = [_triage(a, rate) for a in answers]
    truth = [bool(r.abnormal) for r in rows]
    decided = [(c, t) for c, t in zip(called, truth, strict=True) if c is not Triage.REFER]
    wrong = sum((c is Triage.ABNORMAL) != t for c, t in decided)
    return {
        "n_studies": len(rows),
        "n_referred": len(rows) - len(decided),
        "n_wrong": int(wrong),
        "n_called_normal": sum(c is Triage.NORMAL for c in called),
        "n_called_abnormal": sum(c is Triage.ABNORMAL for c in called),
        "n_abnormal_called_normal": sum(c is Triage.NORMAL and t for c, t in decided),
        "normal": _coverage(
            [a.p_normal for a, t in zip(answers, truth, strict=True) if not t], rate
        ),
        "abnormal": _coverage(
            [a.p_abnormal for a, t in zip(answers, truth, strict=True) if t], rate
        ),
    }


def _triage(answer: Answer, rate: float) -> Triage:
    assert answer.p_normal is not None and answer.p_abnormal is not None
    return triage_of(answer.p_normal, answer.p_abnormal, rate)


def _coverage(p_values: Sequence[float | None], rate: float) -> Json:
    n = len(p_values)
    kept = sum(p is not None and p > rate for p in p_values)
    if not n:
        return {"n": 0, "value": None, "low": None, "high": None, "holds": None}
    low, high = binomial_interval(kept, n)
    return {"n": n, "value": kept / n, "low": low, "high": high, "holds": high >= 1 - rate}
