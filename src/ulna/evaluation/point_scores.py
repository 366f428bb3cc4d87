"""Scores of every operating point of a bundle, and counts of its answers by confidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ulna.bundle import FusionParameters
from ulna.evaluation.rows import StudyRow, parts_of, scored_rows
from ulna.evaluation.scores import Json, Resampling, Sample, measure, study_sample
from ulna.runtime.confidence import confidence_of
from ulna.types import Confidence

_RATES = ("sensitivity", "specificity")


def point_scores(
    rows: Sequence[StudyRow], fusion: FusionParameters, operating_point: str, resampling: Resampling
) -> Json:
    """Return `operating_points` and `confidence` of the scored studies, by body part and for all.

    `operating_points.<point>.<PART|ALL>` has sensitivity and specificity with intervals.
    `confidence.<PART|ALL>.<normal|abnormal>` has the numbers of studies by confidence, and is
    absent without the points 'sensitive' and 'specific'. The result is empty unless the bundle is
    calibrated and the rows were decided at its thresholds, which is not the case in a
    cross-validation, where each fold has others.
    """
    scored = scored_rows(rows)
    if not fusion.calibrated or not _answered_by(scored, fusion, operating_point):
        return {}
    groups = {p.value: scored_rows(rows, p) for p in parts_of(rows)} | {"ALL": scored}
    scores: Json = {
        "operating_points": {
            point: {
                n: measure(_at(point, g, fusion), resampling, _RATES) for n, g in groups.items()
            }
            for point in fusion.thresholds
        }
    }
    if {"sensitive", "specific"} <= set(fusion.thresholds):  # earlier bundles have other points
        scores["confidence"] = {n: _confidence(g, fusion) for n, g in groups.items()}
    return scores


def _answered_by(rows: Sequence[StudyRow], fusion: FusionParameters, point: str) -> bool:
    return all(
        r.given is not None and r.given.threshold == fusion.thresholds[point][r.given.body_part]
        for r in rows
    )


def _at(point: str, rows: Sequence[StudyRow], fusion: FusionParameters) -> Sample:
    """Return the studies with decisions at the thresholds of `point`."""
    sample = study_sample(rows)
    thresholds = [fusion.thresholds[point][r.given.body_part] for r in rows if r.given is not None]
    decision = sample.probability >= np.array(thresholds)
    return Sample(sample.patients, sample.abnormal, sample.probability, decision)


def _confidence(rows: Sequence[StudyRow], fusion: FusionParameters) -> Json:
    counts = Counter(
        (bool(r.abnormal), confidence_of(r.given.probability, r.given.body_part, fusion))
        for r in rows
        if r.given is not None
    )
    return {
        label: {c.value: counts[abnormal, c] for c in Confidence}
        for label, abnormal in (("normal", False), ("abnormal", True))
    }
