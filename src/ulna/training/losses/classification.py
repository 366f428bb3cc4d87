"""Cross-entropies computed from logits, over the images whose label is known.

A body part of -1 is unknown: such an image teaches the abnormal heads of all body parts. total:
from `losses.total`; each loss is this process's share of the whole batch's mean. rate_B: (B,)
weight of each image with mean 1, or None for equal weights.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from ulna.training.losses.total import Total, local_total


def class_weights(
    abnormal: npt.NDArray[np.float32],
    part: npt.NDArray[np.int64],
    n_parts: int,
    rates: npt.NDArray[np.float64] | None = None,
) -> npt.NDArray[np.float32]:
    """Return (P + 1, 2) weights of normal and abnormal images: inverse frequency within a part.

    Mean 1 within a part. The last row is for images of unknown part. Where a part lacks a class the
    weights are 1. rates: (N,) draw rate of each image, or None for equal rates.
    """
    rates = np.ones(len(abnormal)) if rates is None else rates
    weights = np.ones((n_parts + 1, 2), np.float32)
    for p in range(-1, n_parts):
        counts = np.array([rates[(part == p) & (abnormal == v)].sum() for v in (0, 1)])
        if counts.min() > 0:
            weights[p] = counts.sum() / (2 * counts)
    return weights


def abnormal_loss(
    logit_BP: Tensor,
    abnormal_B: Tensor,
    part_B: Tensor,
    weight_P2: Tensor,
    other_parts: float = 0.0,
    total: Total = local_total,
    rate_B: Tensor | None = None,
) -> Tensor:
    """Return the weighted binary cross-entropy of each image's body part, without nan labels.

    weight_P2: from `class_weights`. other_parts: share of an image's loss that goes equally to the
    heads of all body parts; the whole loss does where the part is unknown.
    """
    known = ~torch.isnan(abnormal_B)
    count = total(known.sum())
    if not count:
        return logit_BP.sum() * 0
    part, target, logit = part_B[known], abnormal_B[known], logit_BP[known]
    n = logit.shape[1]
    own_part = functional.one_hot(part.clamp_min(0), n) * (part >= 0)[:, None]
    equal = torch.where(part >= 0, other_parts, 1.0)[:, None] / n
    share = own_part * (1 - other_parts) + equal
    targets = target[:, None].expand_as(logit)
    loss = functional.binary_cross_entropy_with_logits(logit, targets, reduction="none")
    weight = weight_P2[part, target.long()]
    if rate_B is not None:
        weight = weight * rate_B[known]
    return ((loss * share).sum(1) * weight).sum() / count


def body_part_loss(
    logit_BP: Tensor, part_B: Tensor, total: Total = local_total, rate_B: Tensor | None = None
) -> Tensor:
    """Return the cross-entropy over body parts, without images of unknown part (-1)."""
    known = part_B >= 0
    count = total(known.sum())
    if not count:
        return logit_BP.sum() * 0
    if rate_B is not None:
        each = functional.cross_entropy(logit_BP[known], part_B[known], reduction="none")
        return (each * rate_B[known]).sum() / count
    return functional.cross_entropy(logit_BP[known], part_B[known], reduction="sum") / count


def finding_loss(
    logit_BF: Tensor, target_BF: Tensor, total: Total = local_total, rate_B: Tensor | None = None
) -> Tensor:
    """Return the mean binary cross-entropy of the finding categories, without nan targets."""
    known = ~torch.isnan(target_BF)
    here = known.sum()
    count = total(here)
    if not here:
        return logit_BF.sum() * 0
    bce = functional.binary_cross_entropy_with_logits
    if rate_B is not None:
        weight = rate_B[:, None].expand_as(logit_BF)[known]
        return bce(logit_BF[known], target_BF[known], weight, reduction="sum") / count
    return bce(logit_BF[known], target_BF[known]) * (here / count)
