"""Which body parts' calibration studies stand together, where one has few of its own.

A label can be ruled out at an error rate e only where n >= 1 / e - 1 calibration studies have it,
and with no more than that only below all of them. A part with fewer than `ENOUGH` studies of a
label is compared with those of its region, and where these are few too with those of all parts:
calibrated probabilities of the parts are comparable, since each has its own offset and
temperature. It is what Ding, Angelopoulos, Bates, Jordan and Tibshirani (2023, Class-conditional
conformal prediction with many classes) do with classes of few examples. The promise then holds for
the studies of these parts together; for the part alone it is checked on its own studies, and a
part that the others do not speak for stands alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Literal

from scipy import special

from ulna.bundle import ComparedParts, ConformalScores
from ulna.evaluation.groups import REGIONS
from ulna.types import BodyPart

# So many rule a label out at 0.05 beyond their second most extreme.
ENOUGH = 39
# A part whose own studies miss the promise of others with a smaller chance than this stands alone.
_UNLIKELY = 0.05
_RATES = (0.05, 0.10, 0.20)
Label = Literal["normal", "abnormal"]


def compared_parts(scores: Mapping[BodyPart, ConformalScores]) -> dict[BodyPart, ComparedParts]:
    """With which parts' studies each part is compared, by label; parts that stand alone left out.

    scores: of every body part of the bundle, empty where it has no studies.
    """
    result = {
        part: ComparedParts(
            _parts_for(part, "normal", scores), _parts_for(part, "abnormal", scores)
        )
        for part in scores
    }
    alone = {part: ComparedParts((part,), (part,)) for part in scores}
    return {part: parts for part, parts in result.items() if parts != alone[part]}


def _parts_for(
    part: BodyPart, label: Label, scores: Mapping[BodyPart, ConformalScores]
) -> tuple[BodyPart, ...]:
    own = getattr(scores[part], label)
    if len(own) >= ENOUGH:
        return (part,)
    region = next(parts for parts in REGIONS.values() if part in parts)
    for parts in ([p for p in scores if p in region], list(scores)):
        others = sorted(v for p in parts if p != part for v in getattr(scores[p], label))
        if len(others) + len(own) >= ENOUGH:
            return tuple(parts) if speaks_for(own, others, label) else (part,)
    return (part,)


def speaks_for(own: Sequence[float], others: Sequence[float], label: Label) -> bool:
    """Whether the promise that `others` (ascending) make is one for `own` too, as far as is seen.

    Of own studies those are counted whose true label the others would rule out; more of them than
    chance allows once in twenty, at any of three error rates, speaks against it.
    """
    n = len(others)
    if not own or not n:
        return True
    ranks = [
        n - bisect_left(others, v) if label == "normal" else bisect_right(others, v) for v in own
    ]
    p_values = [(rank + 1) / (n + 1) for rank in ranks]
    return all(
        _at_least(sum(p <= rate for p in p_values), len(own), rate) >= _UNLIKELY / len(_RATES)
        for rate in _RATES
    )


def _at_least(hits: int, n: int, rate: float) -> float:
    """The chance of `hits` or more of `n` at `rate` each."""
    return float(special.bdtrc(hits - 1, n, rate)) if hits else 1.0
