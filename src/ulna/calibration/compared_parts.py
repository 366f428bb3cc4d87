"""Which body parts share their calibration studies in conformal prediction, where one has few.

A label can be ruled out at an error rate e only if n >= 1 / e - 1 calibration studies have it, and
with just so many only if the study is more extreme than all of them. A body part with fewer than
`ENOUGH` studies of a label is compared with the studies of its region, or with those of all body
parts where the region has too few. Calibrated probabilities are comparable between body parts,
since each has its own offset and temperature. Ding, Angelopoulos, Bates, Jordan and Tibshirani
(2023, Class-conditional conformal prediction with many classes) do the same for classes with few
examples. The guarantee then holds for the studies of these body parts together. For the body part
itself it is checked on its own studies; where it fails, these are used alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Literal

from scipy import special

from ulna.bundle import ComparedParts, ConformalScores
from ulna.evaluation.groups import REGIONS
from ulna.types import BodyPart

# With so many, a study beyond their second most extreme has a p-value of 0.05.
ENOUGH = 39
# Significance level of the test whether the guarantee of other body parts fails for this one.
_SIGNIFICANCE = 0.05
_RATES = (0.05, 0.10, 0.20)
Label = Literal["normal", "abnormal"]


def compared_parts(scores: Mapping[BodyPart, ConformalScores]) -> dict[BodyPart, ComparedParts]:
    """Return the body parts whose studies each body part is compared with, by label.

    A body part that is compared with its own studies only is left out. scores: of every body part
    of the bundle, empty where it has no studies.
    """
    compared = {
        part: ComparedParts(
            _parts_for(part, "normal", scores), _parts_for(part, "abnormal", scores)
        )
        for part in scores
    }
    return {p: parts for p, parts in compared.items() if parts != ComparedParts((p,), (p,))}


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
            return tuple(parts) if guarantee_holds(own, others, label) else (part,)
    return (part,)


def guarantee_holds(own: Sequence[float], others: Sequence[float], label: Label) -> bool:
    """Test whether the conformal guarantee of the scores `others` (ascending) holds for `own`.

    Counts the own studies whose true label the others would rule out. The guarantee is rejected
    where at any of three error rates there are significantly more than expected (binomial test at
    5 %, Bonferroni's correction for the three rates).
    """
    n = len(others)
    if not own or not n:
        return True
    ranks = [
        n - bisect_left(others, v) if label == "normal" else bisect_right(others, v) for v in own
    ]
    p_values = [(rank + 1) / (n + 1) for rank in ranks]
    return all(
        _at_least(sum(p <= rate for p in p_values), len(own), rate) >= _SIGNIFICANCE / len(_RATES)
        for rate in _RATES
    )


def _at_least(hits: int, n: int, rate: float) -> float:
    """Return the binomial probability of `hits` or more of `n` at `rate` each."""
    return float(special.bdtrc(hits - 1, n, rate)) if hits else 1.0
