"""Compute the score of the MURA competition, Cohen's kappa overall and by region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ulna.datasets.listing import listed
from ulna.datasets.mura_answers import MuraStudy
from ulna.errors import DatasetError
from ulna.evaluation.mura_ranking import Z_95, compare_with_archive
from ulna.evaluation.scores import Json, Resampling, interval_json, number
from ulna.metrics.agreement import kappa_standard_error, kappa_variance
from ulna.metrics.bootstrap import bootstrap_interval
from ulna.metrics.decisions import kappa_of, weighted_confusion
from ulna.metrics.inputs import unit_weights
from ulna.types import BodyPart

OVERALL = "Overall"
# MURA's evaluator uses this rounded value.
_Z_OF_MURA = 1.96


def score_mura(
    labels: Mapping[MuraStudy, bool], answers: Mapping[MuraStudy, bool], resampling: Resampling
) -> Json:
    """Return kappa of `answers` by region, with three intervals and the rank in the competition.

    The result is `{name: {n, n_abnormal, kappa, standard_error, analytic, bootstrap, legacy,
    standing}}` with names 'Overall', 'Elbow' and so on. analytic is the interval by the
    large-sample standard error, bootstrap over patients, legacy as in the competition's program.
    standing is the result of `compare_with_archive`. Regions without a study are left out.

    Raises DatasetError unless every labelled study has an answer.
    """
    missing = sorted(set(labels) - set(answers))
    if missing:
        raise DatasetError(
            f"{len(missing)} of {len(labels)} labelled studies have no answer: expected all, as "
            f"in the competition{listed([str(s) for s in missing])}"
        )
    studies = sorted(labels)
    scores = {OVERALL: _score(studies, labels, answers, resampling)}
    for part in BodyPart:
        own = [s for s in studies if s.body_part is part]
        if own:
            scores[part.value.capitalize()] = _score(own, labels, answers, resampling)
    for name, row in scores.items():
        row["standing"] = compare_with_archive(name, row)
    return scores


def official_keys(scores: Json, legacy: bool) -> dict[str, float | None]:
    """Return `Overall_Mean`, `Overall_Lower`, `Overall_Upper`, `Elbow_Mean`, ... of all regions.

    `legacy` selects the competition's interval instead of the analytic one. Values are None where
    a region has no study or no kappa.
    """
    values: dict[str, float | None] = {}
    for name in (OVERALL, *(p.value.capitalize() for p in BodyPart)):
        row = scores.get(name, {})
        interval = row.get("legacy" if legacy else "analytic", {})
        values |= {
            f"{name}_Mean": row.get("kappa"),
            f"{name}_Lower": interval.get("low"),
            f"{name}_Upper": interval.get("high"),
        }
    return values


def _score(
    studies: Sequence[MuraStudy],
    labels: Mapping[MuraStudy, bool],
    answers: Mapping[MuraStudy, bool],
    resampling: Resampling,
) -> Json:
    truth = np.array([labels[s] for s in studies])
    answer = np.array([answers[s] for s in studies])
    counts = weighted_confusion(truth, answer, unit_weights(len(studies)))
    kappa = float(kappa_of(counts)[0])
    error = float(kappa_standard_error(counts)[0])
    half = Z_95 * error
    legacy = _Z_OF_MURA * float(kappa_variance(counts)[0])
    patients = [s.patient for s in studies]
    drawn = bootstrap_interval(
        patients,
        lambda weights: kappa_of(weighted_confusion(truth, answer, weights)),
        resampling.draws,
        resampling.seed,
    )
    return {
        "n": len(studies),
        "n_abnormal": int(truth.sum()),
        "kappa": number(kappa),
        "standard_error": number(error),
        "analytic": {"low": number(kappa - half), "high": number(np.minimum(1.0, kappa + half))},
        "bootstrap": interval_json(drawn),
        "legacy": {"low": number(kappa - legacy), "high": number(kappa + legacy)},
    }
