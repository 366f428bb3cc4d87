"""Adaptation of pretrained weights to the grey levels of a recipe's input."""

from __future__ import annotations

import torch
from torch import nn

from ulna.config.input_spec import InputSpec


@torch.no_grad()
def adapt_first_convolution(body: nn.Module, learned: tuple[float, float], spec: InputSpec) -> None:
    """Rescale the first convolution of `body` from its training input to inputs of `spec`.

    learned: mean and standard deviation, on [0, 1], of the normalisation that the weights were
    trained with. The weights are multiplied by the ratio of the deviations. The difference of the
    means goes into the convolution's bias, or into the running mean of the batch normalisation
    behind it. Exact but for the outermost pixels, since zero padding means another grey level on
    each scale.
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
