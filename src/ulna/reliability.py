"""How reliable a prediction is: triage, confidence, and whether it is out of distribution."""

from __future__ import annotations

import enum

from ulna.errors import ConfigError


class Triage(enum.StrEnum):
    """What follows from a study's prediction at a chosen error rate, most urgent first."""

    ABNORMAL = "abnormal"
    REFER = "refer"
    NORMAL = "normal"


def triage_of(p_normal: float, p_abnormal: float, error_rate: float) -> Triage:
    """Return the only label whose conformal p-value exceeds `error_rate`, else REFER.

    For a study that is exchangeable with the calibration studies, the probability that its true
    label is ruled out is at most `error_rate`. Raises ConfigError for a rate outside (0, 1).
    """
    if not 0 < error_rate < 1:
        raise ConfigError(f"error rate {error_rate}: expected a number between 0 and 1")
    normal, abnormal = p_normal > error_rate, p_abnormal > error_rate
    if normal == abnormal:
        return Triage.REFER
    return Triage.NORMAL if normal else Triage.ABNORMAL


class Confidence(enum.StrEnum):
    """Where a study's probability lies relative to two operating points.

    CERTAIN: at or above both thresholds ('sensitive' and 'specific'). DOUBTFUL: between them.
    """

    CERTAIN = "certain"
    DOUBTFUL = "doubtful"
    NONE = "none"


class OodLevel(enum.StrEnum):
    """How far an image is out of the distribution of the calibration images, farthest last.

    NEAR: a radiograph of the same anatomy under covariate shift (another hospital or technique).
    FAR: anything else. UNKNOWN: the bundle has no feature statistics.
    Terms as in Yang et al. 2022, OpenOOD: benchmarking generalized out-of-distribution detection.
    """

    UNKNOWN = ""
    IN_DISTRIBUTION = "known"
    NEAR = "near"
    FAR = "far"
