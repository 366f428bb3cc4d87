"""What stands between an encoder and its linear heads.

A neck gives a feature grid, never a vector: the heads pool it by the global average, so that
the class-activation map stays exact (docs/decisions/003-attention-neck.md).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ulna.config.recipe import Neck
from ulna.errors import ConfigError


class AttentionNeck(nn.Module):
    """The grid beside itself weighted by a spatial softmax of mean 1.

    The global average of the second half is the attention pooling of Ilse et al. (2018,
    Attention-based deep multiple instance learning, eq. 8), written as a grid. The scores
    start at zero: at first both halves are equal.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(num_features, 32, 1)
        self.score = nn.Conv2d(32, 1, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)  # type: ignore[arg-type]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        score_B1HW = self.score(torch.tanh(self.hidden(x_BCHW)))
        weight_B1N = score_B1HW.float().flatten(2).softmax(-1) * score_B1HW[0, 0].numel()
        weight_B1HW = weight_B1N.view(score_B1HW.shape).to(x_BCHW.dtype)
        return torch.cat([x_BCHW, x_BCHW * weight_B1HW], dim=1)


def build_neck(kind: Neck, num_features: int) -> tuple[nn.Module, int]:
    """The neck `kind` and the number of feature channels that it gives."""
    if kind == "plain":
        return nn.Identity(), num_features
    if kind == "attention":
        return AttentionNeck(num_features), 2 * num_features
    raise ConfigError(f"neck {kind!r}: expected 'plain' or 'attention'")
