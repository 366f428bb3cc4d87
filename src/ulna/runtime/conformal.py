"""Conformal p-values of a study's probability, by label and body part.

Mondrian inductive conformal prediction (Vovk, Gammerman and Shafer 2005, Algorithmic learning
in a random world, sections 4.5 and 4.6). The nonconformity of a study for the label abnormal is how
low its probability is among the abnormal calibration studies of its body part, and for the label
normal how high it is among the normal ones. For a study that is exchangeable with these, the
p-value of its true label is at most e with a probability of at most e, however good the model is.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from ulna.bundle.conformal_scores import ConformalScores


def p_values(
    probability: float, scores: ConformalScores | None
) -> tuple[float, float] | tuple[None, None]:
    """Return (p_normal, p_abnormal), each in (0, 1]; 1 for a label without calibration studies.

    scores: of the body part. None if not calibrated; the p-values are then None too. The smallest
    possible p-value with n calibration studies is 1 / (n + 1), so few studies cannot rule out a
    label at a small error rate.
    """
    if scores is None:
        return None, None
    normal, abnormal = scores.normal, scores.abnormal
    as_high = len(normal) - bisect_left(normal, probability)
    as_low = bisect_right(abnormal, probability)
    return (as_high + 1) / (len(normal) + 1), (as_low + 1) / (len(abnormal) + 1)
