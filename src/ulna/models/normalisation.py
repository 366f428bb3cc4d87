"""Weights that learned on one scale of grey levels, brought to a recipe's."""

from __future__ import annotations

import torch
from torch import nn

from ulna.config.input_spec import InputSpec


@torch.no_grad()
def adapt_first_convolution(body: nn.Module, learned: tuple[float, float], spec: InputSpec) -> None:
    """Change the first convolution of `body` so that input of `spec` means to it what it learned.

    learned: mean and standard deviation, on [0, 1], that were taken off and divided by where the
    weights come from. The weights take the ratio of the deviations; the difference of the means
    goes into the convolution's bias, or into the running mean of the batch normalisation behind
    it. Exact but for the outermost pixels, which see the padding's zeros: another grey on each
    scale.
    """
    mean, std = learned
    modules = list(body.modules())
    first = next(m for m in modules if isinstance(m, nn.Conv2d))
    shift = first.weight.sum((1, 2, 3)) * (spec.mean - mean) / std
    first.weight *= spec.std / std
    if first.bias is not None:
        first.bias += shift
        return
    behind = modules[modules.index(first) + 1 :]
    norm = next((m for m in behind if isinstance(m, nn.BatchNorm2d)), None)
    if norm is not None and norm.running_mean is not None and len(norm.running_mean) == len(shift):
        norm.running_mean -= shift
