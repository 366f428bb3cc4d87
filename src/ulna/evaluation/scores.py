"""Measures of a sample of rows, each with its interval by bootstrap over patients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from ulna.config.bounds import Count, Seed, check_fields
from ulna.evaluation.rows import StudyRow
from ulna.metrics.bootstrap import Interval, Statistic, bootstrap_intervals
from ulna.metrics.brier_decomposition import TERMS, weighted_brier_term
from ulna.metrics.debiased import weighted_ece_debiased
from ulna.metrics.decisions import DECISION_MEASURES, weighted_confusion
from ulna.metrics.inputs import Floats
from ulna.metrics.probability import weighted_brier, weighted_ece
from ulna.metrics.ranking import weighted_auroc, weighted_average_precision
from ulna.types import Study, StudyPrediction

Json = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """Labels and answers of studies or images that are scored together, (N,) each.

    decision is None where there is no threshold (a single expert).
    """

    patients: list[str]
    abnormal: npt.NDArray[np.bool_]
    probability: Floats
    decision: npt.NDArray[np.bool_] | None = None

    def where(self, chosen: npt.NDArray[np.bool_]) -> Sample:
        """Return the answers where `chosen` (N,) is True."""
        return Sample(
            [p for p, c in zip(self.patients, chosen, strict=True) if c],
            self.abnormal[chosen],
            self.probability[chosen],
            None if self.decision is None else self.decision[chosen],
        )


@dataclass(frozen=True)
class Resampling:
    """Settings of the bootstrap: the number of draws, and their seed."""

    draws: Count = 2000
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_fields(self, "bootstrap")


def study_sample(rows: Sequence[StudyRow]) -> Sample:
    """Return scored studies with the bundle's answers for the true body part."""
    answers = [r.given for r in rows if r.given is not None]
    return _sample(rows, [a.probability for a in answers], [a.abnormal for a in answers])


def recognised_sample(rows: Sequence[StudyRow]) -> Sample:
    """Return scored studies with the bundle's answers for the predicted body part."""
    answers = [r.recognised for r in rows if r.recognised is not None]
    return _sample(rows, [a.probability for a in answers], [a.abnormal for a in answers])


def score_sample(rows: Sequence[StudyRow], score: Callable[[StudyRow], float]) -> Sample:
    """Return scored studies with the probabilities `score(row)`, without decisions."""
    return _sample(rows, [score(r) for r in rows], None)


def image_sample(rows: Sequence[StudyRow]) -> Sample:
    """Return the images of scored studies, each with its study's label and threshold."""
    images = [(r, i, r.given.threshold) for r in rows if r.given is not None for i in r.images]
    return Sample(
        [r.patient_id for r, _, _ in images],
        np.array([bool(r.abnormal) for r, _, _ in images]),
        np.array([i.probability for _, i, _ in images]),
        np.array([i.probability >= t for _, i, t in images]),
    )


def answers_sample(studies: Sequence[Study], answers: Sequence[StudyPrediction]) -> Sample:
    """Return labelled studies with the given answers."""
    return Sample(
        [s.patient_id for s in studies],
        np.array([bool(s.abnormal) for s in studies]),
        np.array([a.probability for a in answers]),
        np.array([a.abnormal for a in answers], np.bool_),
    )


def _sample(
    rows: Sequence[StudyRow], probability: list[float], decision: list[bool] | None
) -> Sample:
    return Sample(
        [r.patient_id for r in rows],
        np.array([bool(r.abnormal) for r in rows]),
        np.array(probability, dtype=np.float64),
        None if decision is None else np.array(decision, dtype=np.bool_),
    )


def statistics(sample: Sample) -> dict[str, Statistic]:
    """Return the measures of a sample as functions of (D, N) bootstrap weights."""
    truth, score = sample.abnormal, sample.probability
    measures: dict[str, Statistic] = {
        "auroc": partial(weighted_auroc, truth, score),
        "average_precision": partial(weighted_average_precision, truth, score),
    } | calibration_statistics(truth, score)
    if sample.decision is not None:
        for name in DECISION_MEASURES:
            measures[name] = partial(_decision_measure, name, truth, sample.decision)
    return measures


def calibration_statistics(truth: npt.NDArray[np.bool_], score: Floats) -> dict[str, Statistic]:
    """Return the Brier score, its terms and the two ECEs of (N,) labels and probabilities."""
    measures: dict[str, Statistic] = {
        "brier": partial(weighted_brier, truth, score),
        "ece": partial(weighted_ece, truth, score),
        "ece_debiased": partial(weighted_ece_debiased, truth, score),
    }
    return measures | {f"brier_{t}": partial(weighted_brier_term, t, truth, score) for t in TERMS}


def _decision_measure(
    name: str, truth: npt.NDArray[np.bool_], decision: npt.NDArray[np.bool_], weights: Floats
) -> Floats:
    return DECISION_MEASURES[name](weighted_confusion(truth, decision, weights))


def measure(sample: Sample, resampling: Resampling, names: Sequence[str] = ()) -> Json:
    """Return `{measure: {value, low, high}}` of a sample, for all measures or those in `names`."""
    wanted = statistics(sample)
    if names:
        wanted = {n: wanted[n] for n in names}
    intervals = bootstrap_intervals(sample.patients, wanted, resampling.draws, resampling.seed)
    return {name: interval_json(interval) for name, interval in intervals.items()}


def share(patients: list[str], values: Sequence[float], resampling: Resampling) -> Interval:
    """Return the mean of (N,) values with its interval over patients."""
    array = np.asarray(values, dtype=np.float64)

    def mean(weights: Floats) -> Floats:
        return np.asarray(weights @ array / weights.sum(axis=1))

    return bootstrap_intervals(patients, {"mean": mean}, resampling.draws, resampling.seed)["mean"]


def interval_json(interval: Interval) -> Json:
    """Return `{value, low, high}`, None where undefined, and the `dropped` draws if any."""
    values: Json = {
        "value": number(interval.value),
        "low": number(interval.low),
        "high": number(interval.high),
    }
    if interval.dropped:
        values["dropped"] = interval.dropped
    return values


def number(value: float) -> float | None:
    """Return `value`, or None (JSON null) where it is not finite."""
    return float(value) if math.isfinite(value) else None
