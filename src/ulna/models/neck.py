"""The neck between an encoder and its linear heads.

A neck returns a feature grid, never a vector: the heads pool it by the global average, so that the
class-activation map stays exact (docs/decisions/003-attention-neck.md).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ulna.config.recipe import Neck
from ulna.errors import ConfigError


class _PlainNeck(nn.Module):
    """The identity."""

    def score(self, x_BCHW: Tensor) -> Tensor:
        """Return (B, 0, H, W), since there is no attention."""
        return x_BCHW[:, :0]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW


class _AttentionNeck(nn.Module):
    """The grid concatenated with the grid weighted by a spatial softmax of mean 1.

    The global average of the second half is the attention pooling of Ilse et al. (2018,
    Attention-based deep multiple instance learning, eq. 7), written as a grid. The score is linear
    in the features, so that linear heads can use it. At first it is the same everywhere, at the log
    odds of a rare finding, and both halves are equal.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(num_features, 1, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.constant_(self.score.bias, -3.0)  # type: ignore[arg-type]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        weight_B1HW = attention_weight(self.score(x_BCHW)).to(x_BCHW.dtype)
        return torch.cat([x_BCHW, x_BCHW * weight_B1HW], dim=1)


def attention_weight(score_B1HW: Tensor) -> Tensor:
    """Return the spatial softmax of the scores times H W, (B, 1, H, W) float32 of mean 1."""
    weight_B1N = score_B1HW.float().flatten(2).softmax(-1) * score_B1HW[0, 0].numel()
    return weight_B1N.view(score_B1HW.shape)


def build_neck(kind: Neck, num_features: int) -> _PlainNeck | _AttentionNeck:
    """Return the neck `kind` for a grid of `num_features` channels."""
    if kind == "plain":
        return _PlainNeck()
    if kind == "attention":
        return _AttentionNeck(num_features)
    raise ConfigError(f"neck {kind!r}: expected 'plain' or 'attention'")
