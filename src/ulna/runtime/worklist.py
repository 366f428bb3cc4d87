"""Which of many answers is read first."""

from __future__ import annotations

from collections.abc import Sequence

from ulna.runtime.answer_json import Outcome
from ulna.types import Triage


def worklist(outcomes: Sequence[Outcome], error_rate: float) -> list[Outcome]:
    """Most urgent first: abnormal, then to be referred, then normal; in each the least normal.

    Within a group by p_abnormal - p_normal, which is comparable across body parts; studies that
    have no answer, are refused or have no p-values come first of those to be referred.
    """
    order = list(Triage)

    def urgency(outcome: Outcome) -> tuple[int, float]:
        answer = outcome.answer
        result = None if answer is None or answer.refused else answer.triage(error_rate)
        if answer is None or result is None or answer.p_normal is None or answer.p_abnormal is None:
            return order.index(Triage.REFER), -2.0
        return order.index(result), answer.p_normal - answer.p_abnormal

    return sorted(outcomes, key=urgency)
