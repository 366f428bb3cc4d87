"""How far an answer can be believed: triage, confidence, and whether the image is a known one."""

from __future__ import annotations

import enum

from ulna.errors import ConfigError


class Triage(enum.StrEnum):
    """What a study's answer is good for at a chosen error rate; most urgent first."""

    ABNORMAL = "abnormal"
    REFER = "refer"
    NORMAL = "normal"


def triage_of(p_normal: float, p_abnormal: float, error_rate: float) -> Triage:
    """The one label whose conformal p-value exceeds `error_rate`; REFER where both or none do.

    A study like the calibration studies gets its true label ruled out with a probability of at
    most `error_rate`. Raises ConfigError for a rate outside (0, 1).
    """
    if not 0 < error_rate < 1:
        raise ConfigError(f"error rate {error_rate}: expected a number between 0 and 1")
    normal, abnormal = p_normal > error_rate, p_abnormal > error_rate
    if normal == abnormal:
        return Triage.REFER
    return Triage.NORMAL if normal else Triage.ABNORMAL


class Confidence(enum.StrEnum):
    """Between which operating points a study's probability lies."""

    CERTAIN = "certain"
    DOUBTFUL = "doubtful"
    NONE = "none"


class Familiarity(enum.StrEnum):
    """Whether an image is one of those that a bundle learned from; least familiar last.

    NEAR: a radiograph of the same kind from elsewhere (another hospital, another technique).
    FAR: something else. UNKNOWN: the bundle cannot tell.
    """

    UNKNOWN = ""
    KNOWN = "known"
    NEAR = "near"
    FAR = "far"
