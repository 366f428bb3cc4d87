"""Reliability of a study's prediction: p-values, confidence, and rates of operating points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from ulna.bundle.conformal_scores import ConformalScores
from ulna.bundle.io import ModelBundle
from ulna.bundle.manifest import FusionParameters
from ulna.runtime.conformal import p_values
from ulna.types import BodyPart, Confidence


def confidence_of(
    probability: float, part: BodyPart, fusion: FusionParameters
) -> Confidence | None:
    """Return certain, doubtful or none; None unless calibrated at 'sensitive' and 'specific'.

    A probability between the two thresholds is doubtful. This also holds for well separated
    classes, where 'specific' has the lower threshold.
    """
    points = fusion.thresholds
    if not fusion.calibrated or "sensitive" not in points or "specific" not in points:
        return None
    low, high = sorted((points["sensitive"][part], points["specific"][part]))
    if probability >= high:
        return Confidence.CERTAIN
    return Confidence.DOUBTFUL if probability >= low else Confidence.NONE


class _Reliability(TypedDict):
    """The fields of a `StudyPrediction` on its reliability."""

    p_normal: float | None
    p_abnormal: float | None
    confidence: Confidence | None


def reliability_of(
    probability: float,
    part: BodyPart,
    fusion: FusionParameters,
    refused: bool,
    interval: tuple[float, float] | None = None,
) -> _Reliability:
    """Return conformal p-values and confidence; all None for a refused study.

    interval: (low, high) of the probability, or None. The p-values are then the largest in the
    interval, and the confidence is doubtful if its ends differ.
    """
    if refused:
        return {"p_normal": None, "p_abnormal": None, "confidence": None}
    low, high = interval or (probability, probability)
    scores = fusion.compared_with(part)
    # p_normal falls and p_abnormal rises with the probability.
    p_normal, p_abnormal = p_values(low, scores)[0], p_values(high, scores)[1]
    confidence = confidence_of(low, part, fusion)
    if confidence != confidence_of(high, part, fusion):
        confidence = Confidence.DOUBTFUL
    return {"p_normal": p_normal, "p_abnormal": p_abnormal, "confidence": confidence}


class _BundleFacts(TypedDict):
    """The fields of a `StudyPrediction` that are the same in all answers of a bundle."""

    bundle_hash: str
    map_reliable: bool | None
    demonstration: bool
    abnormal_means: str


def facts_of_bundle(bundle: ModelBundle) -> _BundleFacts:
    """Return the fields of a prediction that describe its bundle."""
    manifest = bundle.manifest
    return {
        "bundle_hash": bundle.hash,
        "map_reliable": manifest.map_reliable,
        "demonstration": manifest.demonstration,
        "abnormal_means": manifest.abnormal_means,
    }


@dataclass(frozen=True)
class _OperatingRates:
    """Sensitivity and specificity on the calibration studies; None without such studies."""

    sensitivity: float | None
    specificity: float | None
    n_abnormal: int
    n_normal: int

    def __str__(self) -> str:
        """Format as '0.95 / 0.61', sensitivity first; a dash stands for None."""
        both = (self.sensitivity, self.specificity)
        return " / ".join("–" if r is None else f"{r:.2f}" for r in both)


def rates_at(threshold: float, scores: ConformalScores) -> _OperatingRates:
    """Return sensitivity and specificity of `threshold` on the calibration studies of a body part.

    They are slightly optimistic, since the threshold was chosen on these studies.
    """
    normal, abnormal = scores.normal, scores.abnormal
    called = sum(p >= threshold for p in abnormal)
    passed = sum(p < threshold for p in normal)
    return _OperatingRates(
        called / len(abnormal) if abnormal else None,
        passed / len(normal) if normal else None,
        len(abnormal),
        len(normal),
    )


def operating_rates(fusion: FusionParameters) -> dict[BodyPart, list[_OperatingRates]]:
    """Return, by body part, the rates of all operating points; empty if not calibrated."""
    return {
        part: [rates_at(values[part], scores) for values in fusion.thresholds.values()]
        for part, scores in fusion.conformal.items()
    }
