"""Agreement of each label with out-of-fold probabilities: confident learning by cleanlab.

The score is the self-confidence s = P(given label | radiographs). If each label was flipped with
probability e and P is calibrated to the labels as they are, a label is wrong with probability
e (1 - e - s) / ((1 - 2e) s). This falls as s rises, for any body part and share of abnormal
studies, so no other order finds more errors. With two classes the normalised margin is the same
number. cleanlab's `adjust_pred_probs` would remove what P knows of that share (docs/review.md has
the cost of that).
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
    """Quality of labels, (N,) each.

    score is from 0, certainly wrong, to 1. flagged is by the confident joint. bound is the mean
    probability of the other class among the studies labelled with it; a flagged study has at least
    this probability. own is whether these are the studies of the same group, not all studies.
    """

    score: Floats
    flagged: npt.NDArray[np.bool_]
    bound: Floats
    own: npt.NDArray[np.bool_]


def label_quality(
    abnormal: npt.NDArray[np.bool_], probability: Floats, groups: Sequence[str]
) -> LabelQuality:
    """Return the quality of (N,) labels under out-of-fold probabilities of abnormal.

    probability has shape (N,), in [0, 1]. groups are (N,) names, such as body parts. Each has its
    own confident thresholds (Northcutt, Jiang and Chuang 2021, section 3.1, filter 'confident
    learning'), or those of all studies where it has fewer than 10 of either class. Raises
    DatasetError for labels of one class only and for probabilities outside [0, 1].
    """
    if len(set(abnormal.tolist())) < 2:
        raise DatasetError(
            f"all {len(abnormal)} labels are equal: expected normal and abnormal studies"
        )
    if not (np.isfinite(probability).all() and probability.min() >= 0 and probability.max() <= 1):
        raise DatasetError("study probabilities outside [0, 1] or not finite: expected [0, 1]")
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
    """Return which labels of a group are flagged, and the threshold of the opposite class."""
    flagged = find_label_issues(labels, both, filter_by="confident_learning", n_jobs=1)
    thresholds = np.asarray(get_confident_thresholds(labels, both), np.float64)
    return np.asarray(flagged, np.bool_), thresholds[1 - labels]
