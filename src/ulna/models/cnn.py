"""The in-house encoder `cnn`: a small convolutional network for two CPU cores.

Fractures are thin and small, so the feature grid has 1/8 of the input's side (28 x 28 at 224 px)
instead of the usual 1/32. A plain pyramid goes down to 1/32 for context, and one top-down path
brings that context back to 1/8 (Lin et al., Feature Pyramid Networks, 2017).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def _conv(n_in: int, n_out: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(n_out),
        nn.ReLU(inplace=True),
    )


class _ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut (He et al., 2016)."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.first = _conv(n, n)
        self.second = nn.Sequential(nn.Conv2d(n, n, 3, padding=1, bias=False), nn.BatchNorm2d(n))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return functional.relu(x_BCHW + self.second(self.first(x_BCHW)))


class Cnn(nn.Module):
    """Map (B, 1, S, S) to a feature grid (B, num_features, S/8, S/8); S is a multiple of 32."""

    num_features = 64

    def __init__(self, in_chans: int = 1) -> None:
        super().__init__()
        self.stem = _conv(in_chans, 16, kernel=5, stride=2)
        self.stage1 = nn.Sequential(_conv(16, 32, stride=2), _conv(32, 32))
        self.stage2 = nn.Sequential(_conv(32, 64, stride=2), _ResidualBlock(64))
        self.stage3 = nn.Sequential(_conv(64, 96, stride=2), _ResidualBlock(96))
        self.stage4 = nn.Sequential(_conv(96, 128, stride=2), _ResidualBlock(128))
        n = self.num_features
        self.lateral2 = nn.Conv2d(64, n, 1)
        self.lateral3 = nn.Conv2d(96, n, 1)
        self.lateral4 = nn.Conv2d(128, n, 1)
        self.merge3 = _conv(n, n)
        self.merge2 = _conv(n, n)

    def forward_features(self, x_BCHW: Tensor) -> Tensor:
        return self.forward_stages(x_BCHW)[-1]

    def forward_stages(self, x_BCHW: Tensor) -> tuple[Tensor, ...]:
        """Return the grids of stages 1 to 4, from fine to coarse, and last the merged grid."""
        s1 = self.stage1(self.stem(x_BCHW))
        s2 = self.stage2(s1)
        s3 = self.stage3(s2)
        s4 = self.stage4(s3)
        t3 = self.merge3(functional.relu(self.lateral3(s3) + _up(self.lateral4(s4))))
        merged: Tensor = self.merge2(functional.relu(self.lateral2(s2) + _up(t3)))
        return s1, s2, s3, s4, merged

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.forward_features(x_BCHW)

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Return parameter groups from the input up, as in timm, for layer-wise learning rates."""
        return {"stem": r"^stem", "blocks": [(r"^stage(\d)", None), (r"^(?:lateral|merge)", (99,))]}


def _up(x_BCHW: Tensor) -> Tensor:
    return torch.nn.functional.interpolate(x_BCHW, scale_factor=2.0, mode="nearest")
