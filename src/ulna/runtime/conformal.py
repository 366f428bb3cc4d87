"""Conformal p-values of a study's probability, for each label and body part alone.

Mondrian inductive conformal prediction (Vovk, Gammerman and Shafer 2005, Algorithmic learning
in a random world, sections 4.5 and 4.6): the strangeness of a study as an abnormal one is how
low its probability is among the abnormal calibration studies of its body part, as a normal one
how high among the normal. Whatever the model is worth, a study that is drawn like these gets,
for its true label, a p-value of at most e with a probability of at most e.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from ulna.bundle.conformal_scores import ConformalScores


def p_values(
    probability: float, scores: ConformalScores | None
) -> tuple[float, float] | tuple[None, None]:
    """(p_normal, p_abnormal), each in (0, 1]; 1 for a label without calibration studies.

    scores: of the body part; None where nothing was calibrated, and then there are no p-values.
    The smallest possible value is 1 / (n + 1) of n calibration studies: where there are few, no
    label can be ruled out at a small error rate.
    """
    if scores is None:
        return None, None
    normal, abnormal = scores.normal, scores.abnormal
    as_high = len(normal) - bisect_left(normal, probability)
    as_low = bisect_right(abnormal, probability)
    return (as_high + 1) / (len(normal) + 1), (as_low + 1) / (len(abnormal) + 1)
