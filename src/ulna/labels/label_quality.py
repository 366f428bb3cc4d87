"""How well each label agrees with out-of-fold probabilities: confident learning by cleanlab.

The score is the self-confidence s = P(given label | radiographs). Where each label was turned
round with the chance e and P is calibrated to the labels as they are, a label is wrong with the
chance e (1 - e - s) / ((1 - 2e) s), which falls as s rises whatever the body part and the share of
abnormal studies: no other order finds more. With two classes the normalised margin is the same
number, and cleanlab's `adjust_pred_probs` takes out again what P knows of that share
(docs/review.md has what that costs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from cleanlab.count import get_confident_thresholds
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores

from ulna.errors import DatasetError
from ulna.metrics.inputs import Floats

MIN_PER_CLASS = 10


@dataclass(frozen=True)
class LabelQuality:
    """(N,) each. score: from 0, surely wrong, to 1. flagged: by the confident joint.

    bound: mean probability of the other class among the studies that carry it: a flagged study is
    given at least as much. own: whether these are the studies of the same group, not of all.
    """

    score: Floats
    flagged: npt.NDArray[np.bool_]
    bound: Floats
    own: npt.NDArray[np.bool_]


def label_quality(
    abnormal: npt.NDArray[np.bool_], probability: Floats, groups: Sequence[str]
) -> LabelQuality:
    """Quality of the (N,) labels under the out-of-fold P(abnormal), (N,) in [0, 1].

    groups: (N,) names, body parts: each has confident thresholds of its own (Northcutt, Jiang
    and Chuang 2021, section 3.1, filter 'confident learning'), or those of all studies where it
    has fewer than 10 of either class. Raises DatasetError with labels of one class only and for
    probabilities outside [0, 1].
    """
    if len(set(abnormal.tolist())) < 2:
        raise DatasetError(
            f"all {len(abnormal)} labels are alike: expected normal and abnormal studies"
        )
    if not (np.isfinite(probability).all() and probability.min() >= 0 and probability.max() <= 1):
        raise DatasetError("study probabilities outside [0, 1] or empty: expected probabilities")
    labels, both = abnormal.astype(int), np.stack([1 - probability, probability], axis=1)
    score = get_label_quality_scores(labels, both, method="self_confidence")
    flagged, bound = _confident(labels, both)
    own = np.zeros(len(labels), np.bool_)
    names = np.array(groups)
    for name in sorted(set(groups)):
        group = names == name
        if np.bincount(labels[group], minlength=2).min() >= MIN_PER_CLASS:
            flagged[group], bound[group] = _confident(labels[group], both[group])
            own[group] = True
    return LabelQuality(np.asarray(score, np.float64), flagged, bound, own)


def _confident(labels: npt.NDArray[np.int_], both: Floats) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Which labels of one group are flagged, and the threshold of the class they do not name."""
    flagged = find_label_issues(labels, both, filter_by="confident_learning", n_jobs=1)
    thresholds = np.asarray(get_confident_thresholds(labels, both), np.float64)
    return np.asarray(flagged, np.bool_), thresholds[1 - labels]
