"""A `StudyPrediction` in words: the cells of its row."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ulna.config.meaning import answer_words

if TYPE_CHECKING:
    from ulna.types import StudyPrediction


def leading_text(prediction: StudyPrediction) -> str:
    """'lytic lesion 0.83': the leading finding and its probability; '-' without one."""
    leading = prediction.leading_finding
    if leading is None:
        return "-"
    return f"{leading.replace('_', ' ')} {prediction.finding_probabilities[leading]:.2f}"


def triage_word(prediction: StudyPrediction, error_rate: float) -> str:
    """The triage in the bundle's words, '-' without one."""
    from ulna.types import Triage

    result = prediction.triage(error_rate)
    abnormal, normal = answer_words(prediction.abnormal_means)
    words = {Triage.ABNORMAL: abnormal, Triage.NORMAL: normal}
    return "-" if result is None else words.get(result, result.value)


def regions_text(prediction: StudyPrediction) -> str:
    """'3: 2 fracture, 1 hardware': the outlined regions, and of which category where named."""
    regions = [f for i in prediction.images if not i.refusal for f in i.findings]
    named = Counter(f.category.replace("_", " ") for f in regions if f.category is not None)
    kinds = ", ".join(f"{n} {name}" for name, n in named.items())
    return f"{len(regions)}: {kinds}" if kinds else str(len(regions))


def probability_text(prediction: StudyPrediction) -> str:
    """The probability, with its interval where that is wider."""
    if prediction.refused:
        return "-"
    if prediction.interval is None:
        return f"{prediction.probability:.3f}"
    low, high = prediction.interval
    return f"{prediction.probability:.3f} ({low:.2f} to {high:.2f})"


def answer_word(prediction: StudyPrediction) -> str:
    """'ABNORMAL' or the one finding that its label stands for, 'normal', or 'refused'."""
    if prediction.refused:
        return "refused"
    abnormal, normal = answer_words(prediction.abnormal_means)
    return abnormal.upper() if prediction.abnormal else normal
