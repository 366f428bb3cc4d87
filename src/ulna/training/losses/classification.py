"""Cross-entropies computed from logits, over the images whose label is known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional


def class_weights(
    abnormal: npt.NDArray[np.float32], part: npt.NDArray[np.int64], n_parts: int
) -> npt.NDArray[np.float32]:
    """(P, 2) weights of normal and abnormal images: inverse frequency within a body part, mean 1.

    A class that a body part lacks has weight 1: it never occurs.
    """
    weights = np.ones((n_parts, 2), np.float32)
    for p in range(n_parts):
        labels = abnormal[(part == p) & ~np.isnan(abnormal)]
        counts = np.array([(labels == 0).sum(), (labels == 1).sum()])
        if counts.min() > 0:
            weights[p] = counts.sum() / (2 * counts)
    return weights


def abnormal_loss(
    logit_BP: Tensor, abnormal_B: Tensor, part_B: Tensor, weight_P2: Tensor
) -> Tensor:
    """Weighted binary cross-entropy of each image's own body part; nan labels do not count."""
    known = ~torch.isnan(abnormal_B) & (part_B >= 0)
    if not bool(known.any()):
        return logit_BP.sum() * 0
    part, target = part_B[known], abnormal_B[known]
    logit = logit_BP[known].gather(1, part[:, None])[:, 0]
    weight = weight_P2[part, target.long()]
    return functional.binary_cross_entropy_with_logits(logit, target, weight)


def body_part_loss(logit_BP: Tensor, part_B: Tensor) -> Tensor:
    """Cross-entropy over body parts; images of unknown part (-1) do not count."""
    known = part_B >= 0
    if not bool(known.any()):
        return logit_BP.sum() * 0
    return functional.cross_entropy(logit_BP[known], part_B[known])


def finding_loss(logit_BF: Tensor, target_BF: Tensor) -> Tensor:
    """Mean binary cross-entropy of the finding categories; nan targets do not count."""
    known = ~torch.isnan(target_BF)
    if not bool(known.any()):
        return logit_BF.sum() * 0
    return functional.binary_cross_entropy_with_logits(logit_BF[known], target_BF[known])
