"""Certain and doubtful findings: a study's probability between two operating points."""

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
    """Certain, doubtful or none; None unless calibrated at 'sensitive' and 'specific'.

    Where the classes lie far apart 'specific' is the lower of the two thresholds: what lies
    between them is then doubtful as well.
    """
    points = fusion.thresholds
    if not fusion.calibrated or "sensitive" not in points or "specific" not in points:
        return None
    low, high = sorted((points["sensitive"][part], points["specific"][part]))
    if probability >= high:
        return Confidence.CERTAIN
    return Confidence.DOUBTFUL if probability >= low else Confidence.NONE


class _Trust(TypedDict):
    """The fields of a `StudyPrediction` that say how far to believe its probability."""

    p_normal: float | None
    p_abnormal: float | None
    confidence: Confidence | None


def trust_in(
    probability: float,
    part: BodyPart,
    fusion: FusionParameters,
    refused: bool,
    interval: tuple[float, float] | None = None,
) -> _Trust:
    """Conformal p-values and confidence; None each where refused: nothing is promised then.

    interval: between which two the probability lies. The p-values are then the largest in it, and
    a confidence is one that both ends have, else doubtful.
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
    """What an answer says of the bundle that gave it."""
    manifest = bundle.manifest
    return {
        "bundle_hash": bundle.hash,
        "map_reliable": manifest.map_reliable,
        "demonstration": manifest.demonstration,
        "abnormal_means": manifest.abnormal_means,
    }


@dataclass(frozen=True)
class _OperatingRates:
    """What a threshold costs: both rates on the calibration studies, None without any."""

    sensitivity: float | None
    specificity: float | None
    n_abnormal: int
    n_normal: int

    def __str__(self) -> str:
        """'0.95 / 0.61', sensitivity first; a dash for a rate without studies."""
        both = (self.sensitivity, self.specificity)
        return " / ".join("–" if r is None else f"{r:.2f}" for r in both)


def rates_at(threshold: float, scores: ConformalScores) -> _OperatingRates:
    """Sensitivity and specificity of `threshold` on the calibration studies of a body part.

    It was chosen on them, so new studies do a little worse.
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


def costs(fusion: FusionParameters) -> dict[BodyPart, list[_OperatingRates]]:
    """By body part, the rates of every operating point in their order; empty if not calibrated."""
    return {
        part: [rates_at(values[part], scores) for values in fusion.thresholds.values()]
        for part, scores in fusion.conformal.items()
    }
