"""Supervision of the class-activation map where masks or boxes are known."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ulna.training.losses.attention import COVERED, cell_weights
from ulna.training.losses.total import Total, local_total


class MapLoss(nn.Module):
    """Cell-wise cross-entropy of the map and the mask's coverage, plus energy inside the mask.

    A cell's contribution to the logit, map / number of cells, keeps its scale from crops to whole
    images. The cell-wise term sees it through a learned affine function (two scalars that are no
    part of the expert), since the share of one cell in the logit depends on the size of findings.
    The energy term is -log of the share of positive map mass inside the mask (Rao et al. 2023,
    Studying How to Efficiently and Effectively Guide Models with Explanations, eq. 5), over
    abnormal images. total: from `losses.total`.
    """

    def __init__(self, total: Total = local_total) -> None:
        super().__init__()
        self.total = total
        self.log_scale = nn.Parameter(torch.tensor(1.6))
        self.offset = nn.Parameter(torch.tensor(-3.0))

    def forward(
        self, cam_BPhw: Tensor, mask_B1HW: Tensor, has_mask_B: Tensor, part_B: Tensor
    ) -> Tensor:
        """Return the loss; mask_B1HW in [0, 1], images without known mask do not count.

        For an image of unknown body part (-1) the mean of all parts' maps is compared with the
        mask.
        """
        known = has_mask_B
        if not self.total(known.sum()):
            return cam_BPhw.sum() * 0 + self.log_scale * 0 + self.offset * 0
        own = cam_BPhw[known].gather(1, _index(part_B[known].clamp_min(0), cam_BPhw))[:, 0]
        cam = torch.where(part_B[known, None, None] >= 0, own, cam_BPhw[known].mean(1))
        mask = functional.adaptive_max_pool2d(mask_B1HW[known], list(cam.shape[-2:]))[:, 0]
        mask = (mask > COVERED).float()
        scaled = cam / cam.shape[1:].numel() * self.log_scale.exp()
        return self._cells(scaled, mask) + 0.3 * self._energy(scaled, mask)

    def _cells(self, scaled: Tensor, mask: Tensor) -> Tensor:
        weight = cell_weights(mask, self.total)
        loss = functional.binary_cross_entropy_with_logits(
            scaled + self.offset, mask, weight, reduction="sum"
        )
        return loss / self.total(weight.sum())

    def _energy(self, scaled: Tensor, mask: Tensor) -> Tensor:
        marked = mask.flatten(1).sum(1) > 0
        count = self.total(marked.sum())
        if not count:
            return scaled.sum() * 0
        mass = functional.softplus(scaled[marked])
        inside = (mass * mask[marked]).flatten(1).sum(1) / mass.flatten(1).sum(1).clamp_min(1e-6)
        return -inside.clamp_min(1e-4).log().sum() / count


def _index(part_B: Tensor, cam_BPhw: Tensor) -> Tensor:
    return part_B[:, None, None, None].expand(-1, 1, *cam_BPhw.shape[-2:])
