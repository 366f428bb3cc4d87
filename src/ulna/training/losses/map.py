"""Supervision of the class-activation map where masks or boxes are known."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class MapLoss(nn.Module):
    """Cell-wise cross-entropy of the map against the mask's coverage, and energy inside.

    The map is in logit units and its scale depends on the size of findings, so the
    cell-wise term sees it through a learned affine (two scalars that are no part of the
    expert). The energy term is -log of the share of positive map mass inside the mask
    (Rao et al. 2023, Studying How to Efficiently and Effectively Guide Models with
    Explanations, eq. 5), over abnormal images.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-1.0))
        self.offset = nn.Parameter(torch.tensor(-3.0))

    def forward(
        self, cam_BPhw: Tensor, mask_B1HW: Tensor, has_mask_B: Tensor, part_B: Tensor
    ) -> Tensor:
        """mask_B1HW in [0, 1]; images without known mask or body part do not count."""
        known = has_mask_B & (part_B >= 0)
        if not bool(known.any()):
            return cam_BPhw.sum() * 0 + self.log_scale * 0 + self.offset * 0
        cam = cam_BPhw[known].gather(1, _index(part_B[known], cam_BPhw))[:, 0]
        mask = functional.adaptive_max_pool2d(mask_B1HW[known], list(cam.shape[-2:]))[:, 0]
        mask = (mask > 0.2).float()
        return self._cells(cam, mask) + 0.3 * self._energy(cam, mask)

    def _cells(self, cam: Tensor, mask: Tensor) -> Tensor:
        logit = cam * self.log_scale.exp() + self.offset
        # A finding covers a few cells in a hundred: both kinds of cell weigh the same.
        share = mask.mean().clamp(1e-3, 0.5)
        weight = mask * (0.5 / share) + (1 - mask) * (0.5 / (1 - share))
        return functional.binary_cross_entropy_with_logits(logit, mask, weight)

    def _energy(self, cam: Tensor, mask: Tensor) -> Tensor:
        marked = mask.flatten(1).sum(1) > 0
        if not bool(marked.any()):
            return cam.sum() * 0
        mass = functional.softplus(cam[marked])
        inside = (mass * mask[marked]).flatten(1).sum(1) / mass.flatten(1).sum(1).clamp_min(1e-6)
        return -inside.clamp_min(1e-4).log().mean()


def _index(part_B: Tensor, cam_BPhw: Tensor) -> Tensor:
    return part_B[:, None, None, None].expand(-1, 1, *cam_BPhw.shape[-2:])
