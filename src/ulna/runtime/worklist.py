"""Sort studies into a worklist by urgency."""

from __future__ import annotations

from collections.abc import Sequence

from ulna.runtime.answer_json import Outcome
from ulna.types import Triage


def worklist(outcomes: Sequence[Outcome], error_rate: float) -> list[Outcome]:
    """Sort outcomes by urgency: abnormal first, then those to be referred, then normal.

    Within a group by p_abnormal - p_normal, descending, which is comparable across body parts.
    Studies without a prediction or p-values, and refused ones, come first among those to be
    referred.
    """
    order = list(Triage)

    def urgency(outcome: Outcome) -> tuple[int, float]:
        answer = outcome.answer
        triage = None if answer is None or answer.refused else answer.triage(error_rate)
        if answer is None or triage is None or answer.p_normal is None or answer.p_abnormal is None:
            return order.index(Triage.REFER), -2.0
        return order.index(triage), answer.p_normal - answer.p_abnormal

    return sorted(outcomes, key=urgency)
