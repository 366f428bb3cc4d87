"""Scores of a bundle at each of several sources."""

from __future__ import annotations

from collections.abc import Sequence

from ulna.evaluation.rows import StudyRow, scored_rows
from ulna.evaluation.scores import Json, Resampling, interval_json, measure, share, study_sample


def scores_by_source(rows: Sequence[StudyRow], resampling: Resampling) -> Json | None:
    """Return `{source: ...}` with all measures of studies and `measure_source`.

    The result is None for a single source.
    """
    sources = sorted({r.source for r in rows})
    if len(sources) < 2:
        return None
    scores: Json = {}
    for source in sources:
        own = [r for r in rows if r.source == source]
        scored = scored_rows(own)
        measures = measure(study_sample(scored), resampling) if scored else {}
        scores[source] = measures | measure_source(own, resampling)
    return scores


def measure_source(rows: Sequence[StudyRow], resampling: Resampling) -> Json:
    """Return sensitivity, specificity, refusals and body-part accuracy, with intervals.

    Decisions are at the operating point. refused is the share of the scored studies' images that
    `ulna predict` would refuse, body_part_accuracy the share whose body part is predicted
    correctly. Without a scored study only the counts are returned.
    """
    scored = scored_rows(rows)
    images = [(r, i) for r in scored for i in r.images]
    counts: Json = {
        "n_studies": len(scored),
        "n_abnormal": sum(bool(r.abnormal) for r in scored),
    }
    if not scored:
        return counts
    patients = [r.patient_id for r, _ in images]
    refused = share(patients, [float(bool(i.refusal)) for _, i in images], resampling)
    right = share(patients, [float(i.recognised == r.body_part) for r, i in images], resampling)
    return {
        **counts,
        **measure(study_sample(scored), resampling, ("sensitivity", "specificity")),
        "refused": interval_json(refused),
        "body_part_accuracy": interval_json(right),
    }
