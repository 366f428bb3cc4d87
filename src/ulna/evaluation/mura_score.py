"""The score of the MURA competition: Cohen's kappa, overall and by region, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from ulna.datasets.listing import listed
from ulna.datasets.mura_answers import MuraStudy
from ulna.errors import DatasetError
from ulna.evaluation.mura_ranking import Z_95, compare_with_archive
from ulna.evaluation.scores import Json, Resampling, interval_json, number
from ulna.metrics.agreement import kappa_standard_error, kappa_variance
from ulna.metrics.bootstrap import bootstrap_interval
from ulna.metrics.decisions import kappa_of, weighted_confusion
from ulna.metrics.inputs import Floats, unit_weights
from ulna.types import BodyPart

OVERALL = "Overall"
# The evaluator of MURA rounds it.
_Z_OF_MURA = 1.96


def score_mura(
    labels: Mapping[MuraStudy, bool], answers: Mapping[MuraStudy, bool], resampling: Resampling
) -> Json:
    """Kappa of `answers` against `labels` by region, with three intervals and its standing.

    `{name: {n, kappa, analytic, bootstrap, legacy, standing}}`, names 'Overall', 'Elbow', ...:
    analytic by the large-sample standard error, bootstrap over patients, legacy as the
    competition's own program has it. Regions without a study are left out.

    Raises DatasetError unless every labelled study is answered.
    """
    missing = sorted(set(labels) - set(answers))
    if missing:
        raise DatasetError(
            f"{len(missing)} of {len(labels)} labelled studies have no answer: expected all, as "
            f"the competition did{listed([str(s) for s in missing])}"
        )
    studies = sorted(labels)
    result = {OVERALL: _score(studies, labels, answers, resampling)}
    for part in BodyPart:
        own = [s for s in studies if s.body_part is part]
        if own:
            result[part.value.capitalize()] = _score(own, labels, answers, resampling)
    for name, row in result.items():
        row["standing"] = compare_with_archive(name, row)
    return result


def official_keys(scores: Json, legacy: bool) -> dict[str, float | None]:
    """`Overall_Mean`, `Overall_Lower`, `Overall_Upper`, `Elbow_Mean`, ... of all seven regions.

    legacy: with the competition's interval instead of the analytic one. None where a region
    has no study or no kappa.
    """
    result: dict[str, float | None] = {}
    for name in (OVERALL, *(p.value.capitalize() for p in BodyPart)):
        row = scores.get(name, {})
        interval = row.get("legacy" if legacy else "analytic", {})
        result |= {
            f"{name}_Mean": row.get("kappa"),
            f"{name}_Lower": interval.get("low"),
            f"{name}_Upper": interval.get("high"),
        }
    return result


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
    right = Z_95 * error
    legacy = _Z_OF_MURA * float(kappa_variance(counts)[0])
    patients = [s.patient for s in studies]
    drawn = bootstrap_interval(
        patients, partial(_kappa, truth, answer), resampling.draws, resampling.seed
    )
    return {
        "n": len(studies),
        "n_abnormal": int(truth.sum()),
        "kappa": number(kappa),
        "standard_error": number(error),
        "analytic": {"low": number(kappa - right), "high": number(np.minimum(1.0, kappa + right))},
        "bootstrap": interval_json(drawn),
        "legacy": {"low": number(kappa - legacy), "high": number(kappa + legacy)},
    }


def _kappa(
    truth: npt.NDArray[np.bool_], answer: npt.NDArray[np.bool_], weights_DN: Floats
) -> Floats:
    return kappa_of(weighted_confusion(truth, answer, weights_DN))
