"""What a reader meets at each of several sources."""

from __future__ import annotations

from collections.abc import Sequence

from ulna.evaluation.rows import StudyRow, scored_rows
from ulna.evaluation.scores import Json, Resampling, interval_json, measure, share, study_sample


def scores_by_source(rows: Sequence[StudyRow], resampling: Resampling) -> Json | None:
    """`{source: ...}` of the rows' sources: all measures of studies, and `measure_source`.

    None where there is one source alone.
    """
    sources = sorted({r.source for r in rows})
    if len(sources) < 2:
        return None
    result: Json = {}
    for source in sources:
        own = [r for r in rows if r.source == source]
        scored = scored_rows(own)
        alone = measure(study_sample(scored), resampling) if scored else {}
        result[source] = alone | measure_source(own, resampling)
    return result


def measure_source(rows: Sequence[StudyRow], resampling: Resampling) -> Json:
    """Sensitivity and specificity at the operating point, and how images are met, with intervals.

    refused: share of the scored studies' images that `ulna predict` would refuse.
    body_part_accuracy: share of them whose body part is recognised. Numbers alone without a
    scored study.
    """
    scored = scored_rows(rows)
    images = [(r, i) for r in scored for i in r.images]
    result: Json = {
        "n_studies": len(scored),
        "n_abnormal": sum(bool(r.abnormal) for r in scored),
    }
    if not scored:
        return result
    patients = [r.patient_id for r, _ in images]
    refused = share(patients, [float(bool(i.refusal)) for _, i in images], resampling)
    right = share(patients, [float(i.recognised == r.body_part) for r, i in images], resampling)
    return {
        **result,
        **measure(study_sample(scored), resampling, ("sensitivity", "specificity")),
        "refused": interval_json(refused),
        "body_part_accuracy": interval_json(right),
    }
