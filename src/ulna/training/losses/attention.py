"""Supervision of the attention by masks, where they are known."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from ulna.training.losses.total import Total, local_total

# Share of a cell that the mask must cover for the cell to count as finding.
COVERED = 0.2


def attention_loss(
    score_B1hw: Tensor, mask_B1HW: Tensor, has_mask_B: Tensor, total: Total = local_total
) -> Tensor:
    """Return the cell-wise cross-entropy of score and mask, plus soft Dice over findings.

    mask_B1HW in [0, 1], of any size that the grid divides; images without a known mask do not
    count. Dice: Milletari et al. (2016, V-Net, eq. 1), over images that show a finding, plus 1 in
    numerator and denominator. total: from `losses.total`.
    """
    if not total(has_mask_B.sum()):
        return score_B1hw.sum() * 0
    score = score_B1hw[has_mask_B].flatten(1)
    cells = functional.adaptive_max_pool2d(mask_B1HW[has_mask_B], list(score_B1hw.shape[-2:]))
    mask = (cells > COVERED).float().flatten(1)
    weight = cell_weights(mask, total)
    loss = functional.binary_cross_entropy_with_logits(score, mask, weight, reduction="sum")
    return loss / total(weight.sum()) + _dice(score.sigmoid(), mask, total)


def cell_weights(mask: Tensor, total: Total = local_total) -> Tensor:
    """Return the weights of cells with and without finding, in the shape of `mask`.

    A finding covers a few per cent of the cells. With equal weight of both classes a false positive
    would cost little, without weights the finding would be ignored; this is the geometric mean.
    """
    share = total(mask.sum()) / total(torch.tensor(mask.numel(), device=mask.device))
    share = share.clamp(1e-3, 0.5)
    return mask * share.rsqrt() + (1 - mask)


def _dice(share_BN: Tensor, mask_BN: Tensor, total: Total) -> Tensor:
    shown = mask_BN.sum(1) > 0
    count = total(shown.sum())
    if not count:
        return share_BN.sum() * 0
    share, mask = share_BN[shown], mask_BN[shown]
    overlap = 2 * (share * mask).sum(1) + 1
    return torch.sum(1 - overlap / (share.sum(1) + mask.sum(1) + 1)) / count
