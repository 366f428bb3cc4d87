"""The cells of the row of a `StudyPrediction`, as text."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ulna.config.meaning import answer_words

if TYPE_CHECKING:
    from ulna.types import StudyPrediction


def leading_text(prediction: StudyPrediction) -> str:
    """Return the leading finding and its probability, as 'lytic lesion 0.83'; '-' without one."""
    leading = prediction.leading_finding
    if leading is None:
        return "-"
    return f"{leading.replace('_', ' ')} {prediction.finding_probabilities[leading]:.2f}"


def triage_word(prediction: StudyPrediction, error_rate: float) -> str:
    """Return the triage with the bundle's word for abnormal; '-' without triage."""
    from ulna.types import Triage

    triage = prediction.triage(error_rate)
    abnormal, normal = answer_words(prediction.abnormal_means)
    words = {Triage.ABNORMAL: abnormal, Triage.NORMAL: normal}
    return "-" if triage is None else words.get(triage, triage.value)


def regions_text(prediction: StudyPrediction) -> str:
    """Return the outlined regions by number and category, as '3: 2 fracture, 1 hardware'."""
    regions = [f for i in prediction.images if not i.refusal for f in i.findings]
    named = Counter(f.category.replace("_", " ") for f in regions if f.category is not None)
    kinds = ", ".join(f"{n} {name}" for name, n in named.items())
    return f"{len(regions)}: {kinds}" if kinds else str(len(regions))


def probability_text(prediction: StudyPrediction) -> str:
    """Return the probability, with its interval where the prediction has one."""
    if prediction.refused:
        return "-"
    if prediction.interval is None:
        return f"{prediction.probability:.3f}"
    low, high = prediction.interval
    return f"{prediction.probability:.3f} ({low:.2f} to {high:.2f})"


def answer_word(prediction: StudyPrediction) -> str:
    """Return 'refused', 'normal', or the bundle's word for abnormal in capitals."""
    if prediction.refused:
        return "refused"
    abnormal, normal = answer_words(prediction.abnormal_means)
    return abnormal.upper() if prediction.abnormal else normal
