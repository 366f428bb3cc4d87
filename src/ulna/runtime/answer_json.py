"""Convert predictions to JSON, in the form of `ulna predict --json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ulna.errors import message_of

if TYPE_CHECKING:
    from ulna.types import Finding, FindingCategory, ImagePrediction, Study, StudyPrediction


@dataclass(frozen=True)
class Outcome:
    """The result for one study: a prediction (`answer`), or the exception (`fault`) instead of it.

    map_error: why some pictures of the heat maps could not be written, or ''.
    """

    study: Study
    answer: StudyPrediction | None = None
    fault: Exception | None = None
    map_error: str = ""

    @property
    def error(self) -> str:
        """Why there is no prediction, or ''."""
        return "" if self.fault is None else message_of(self.fault)


def outcome_json(outcome: Outcome, error_rate: float) -> dict[str, Any]:
    """Return `answer_json`, or the same keys with `error` and null for all predicted values."""
    if outcome.answer is not None:
        return answer_json(outcome.answer, error_rate) | {"map_error": outcome.map_error or None}
    study = outcome.study
    return {
        "patient_id": study.patient_id,
        "study_id": study.study_id,
        "body_part": study.body_part.value if study.body_part else None,
        "body_part_given": study.body_part is not None,
        "body_part_probabilities": {},
        "refused": None,
        "flags": [],
        **dict.fromkeys(_ANSWERED),
        "error_rate": error_rate,
        "finding_probabilities": {},
        "finding_thresholds": {},
        "called_findings": [],
        "leading_finding": None,
        "experts": {},
        "skipped_experts": [],
        "images": [],
        "skipped": [],
        "bundle": None,
        "error": outcome.error,
        "map_error": None,
    }


_ANSWERED = (
    "demonstration",
    "abnormal_means",
    "abnormal",
    "probability",
    "out_of_distribution",
    "probability_interval",
    "threshold",
    "operating_point",
    "confidence",
    "map_reliable",
    "p_normal",
    "p_abnormal",
    "triage",
)


def answer_json(prediction: StudyPrediction, error_rate: float) -> dict[str, Any]:
    """Return `prediction` without its heat maps, in the form of `ulna predict --json`.

    error_rate: of the triage. The predicted values of a refused study are null.
    """
    answered = not prediction.refused
    return {
        "patient_id": prediction.study.patient_id,
        "study_id": prediction.study.study_id,
        "body_part": prediction.body_part.value,
        "body_part_given": prediction.body_part_given,
        "body_part_probabilities": _by_name(prediction.body_part_probabilities),
        "refused": prediction.refused or None,
        "flags": list(prediction.flags),
        "demonstration": prediction.demonstration,
        "abnormal_means": prediction.abnormal_means,
        "abnormal": prediction.abnormal if answered else None,
        "probability": prediction.probability if answered else None,
        "out_of_distribution": prediction.out_of_distribution or None,
        "probability_interval": list(prediction.interval) if prediction.interval else None,
        "threshold": prediction.threshold,
        "operating_point": prediction.operating_point,
        "confidence": prediction.confidence,
        "map_reliable": prediction.map_reliable,
        "p_normal": prediction.p_normal,
        "p_abnormal": prediction.p_abnormal,
        "triage": prediction.triage(error_rate),
        "error_rate": error_rate,
        **_findings_json(prediction),
        "experts": _by_name(prediction.experts) if answered else {},
        "skipped_experts": list(prediction.skipped_experts),
        "images": [_image_json(i, prediction.finding_thresholds) for i in prediction.images],
        "skipped": [{"image": name, "reason": reason} for name, reason in prediction.skipped],
        "bundle": prediction.bundle_hash,
        "error": None,
        "map_error": None,
    }


def _findings_json(prediction: StudyPrediction) -> dict[str, Any]:
    """The fields on finding categories; only the thresholds for a refused study."""
    from ulna.runtime.findings import called_findings

    stated = {} if prediction.refused else prediction.finding_probabilities
    return {
        "finding_probabilities": _by_name(stated),
        "finding_thresholds": _by_name(prediction.finding_thresholds),
        "called_findings": called_findings(stated, prediction.finding_thresholds),
        "leading_finding": prediction.leading_finding,
    }


def _image_json(
    image: ImagePrediction, thresholds: Mapping[FindingCategory, float]
) -> dict[str, Any]:
    from ulna.runtime.findings import called_findings

    stated = {} if image.refusal else image.finding_probabilities
    return {
        "source": image.source,
        "refusal": image.refusal or None,
        "ood_distance": image.ood_distance,
        "out_of_distribution": image.out_of_distribution or None,
        "outlier_score": image.outlier_score,
        "probability_interval": list(image.interval) if image.interval else None,
        "inverted": image.inverted,
        "probability": None if image.refusal else image.probability,
        "logit": None if image.refusal else image.logit,
        "body_part_probabilities": _by_name(image.body_part_probabilities),
        "finding_probabilities": _by_name(stated),
        "called_findings": called_findings(stated, thresholds),
        "experts": {} if image.refusal else _by_name(image.experts),
        "findings": [] if image.refusal else [_finding_json(f) for f in image.findings],
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    outline: Sequence[Sequence[float]] = []
    if finding.outline is not None:
        outline = [[round(float(x), 2), round(float(y), 2)] for x, y in finding.outline]
    return {
        "box": list(finding.box),
        "category": finding.category,
        "score": finding.score,
        "adds": finding.adds,
        "outline": outline,
    }


def _by_name(values: Mapping[Any, float]) -> dict[str, float]:
    return {str(k): float(v) for k, v in values.items()}
