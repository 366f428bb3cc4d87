"""Batch normalisation and dropout over the whole batch, of which a process has its rows.

PyTorch's synchronised batch normalisation is another module than the one it replaces, and runs on
GPUs only. This context replaces the functions that all such modules call, timm's too, so that the
model stays the same on any device.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ulna.training.ranks.group import Ranks

# Number of leading dimensions of (B, C, ...) that are drawn independently, None for all.
_DRAWN = {
    functional.dropout: None,
    functional.dropout1d: 2,
    functional.dropout2d: 2,
    functional.dropout3d: 2,
}


def whole_batch(ranks: Ranks, n: int) -> AbstractContextManager[object]:
    """Make forward passes of this process's rows of a batch of `n` compute as of all rows."""
    return nullcontext() if ranks.size == 1 else _WholeBatch(ranks, n)


class _WholeBatch(TorchFunctionMode):
    def __init__(self, ranks: Ranks, n: int) -> None:
        super().__init__()
        self.ranks, self.n = ranks, n
        self.rows = torch.from_numpy(ranks.rows(n))

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        # Functions of torch pass tensors by position and settings by name.
        settings = kwargs or {}
        if func is functional.batch_norm and settings["training"]:
            x, running_mean, running_var = args
            return _batch_norm(self.ranks, x, running_mean, running_var, settings)
        if func in _DRAWN and settings["training"] and settings["p"]:
            return self._dropout(args[0], _DRAWN[func], settings["p"])
        return func(*args, **settings)

    def _dropout(self, x: Tensor, drawn: int | None, p: float) -> Tensor:
        """As torch draws it for all rows, so that one process and several drop the same."""
        inner = x.shape[1:drawn] + (1,) * (0 if drawn is None else x.ndim - drawn)
        kept = x.new_empty((self.n, *inner)).bernoulli_(1 - p).div_(1 - p)
        return x * kept[self.rows.to(x.device)]


def _batch_norm(
    ranks: Ranks,
    values: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    settings: dict[str, Any],
) -> Tensor:
    """`torch.nn.functional.batch_norm` in training, by the statistics of all processes' rows."""
    weight, bias, momentum = settings["weight"], settings["bias"], settings["momentum"]
    x = values if values.dtype == torch.float64 else values.float()
    mean, variance, n = _statistics(x.detach(), ranks)
    if running_mean is not None and running_var is not None:
        running_mean.lerp_(mean.to(running_mean.dtype), momentum)
        unbiased = variance * (n / (n - 1).clamp_min(1))
        running_var.lerp_(unbiased.to(running_var.dtype), momentum)
    mean, scale = mean.to(x.dtype), (variance + settings["eps"]).rsqrt().to(x.dtype)
    y: Tensor = _Standardise.apply(x, mean, scale, n.to(x.dtype), ranks)
    if weight is not None:
        y = y * _by_channel(weight, y)
    if bias is not None:
        y = y + _by_channel(bias, y)
    return y.to(values.dtype)


def _statistics(x: Tensor, ranks: Ranks) -> tuple[Tensor, Tensor, Tensor]:
    """Return (C,) mean and variance over all processes' values, and their number; double.

    Combined from the parts' means and variances: Chan et al. (1979, Updating formulae and a
    pairwise algorithm for computing sample variances, eq. 2.1).
    """
    channels = x.shape[1]
    variance, mean = torch.var_mean(x, [0, *range(2, x.ndim)], correction=0)
    n = mean.new_full((1,), x.numel() // channels)
    parts = ranks.gathered(torch.cat([mean, variance, n])).double()
    means, variances, counts = parts[:, :channels], parts[:, channels:-1], parts[:, -1:]
    total = counts.sum()
    mean = (counts * means).sum(0) / total
    variance = (counts * (variances + (means - mean).square())).sum(0) / total
    return mean, variance, total


class _Standardise(torch.autograd.Function):
    """(x - mean) * scale, with the gradient of statistics over all processes' values.

    Ioffe and Szegedy (2015, Batch normalization, section 3).
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, mean: Tensor, scale: Tensor, n: Tensor, ranks: Ranks
    ) -> Tensor:
        y = (x - _by_channel(mean, x)) * _by_channel(scale, x)
        ctx.save_for_backward(y, scale, n)
        ctx.ranks = ranks
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        y, scale, n = ctx.saved_tensors
        (g,) = gradients
        across = [0, *range(2, g.ndim)]
        sums = ctx.ranks.total(torch.stack([g.sum(across), (g * y).sum(across)])) / n
        centred = g - _by_channel(sums[0], g) - y * _by_channel(sums[1], g)
        return centred * _by_channel(scale, g), None, None, None, None


def _by_channel(x_C: Tensor, like: Tensor) -> Tensor:
    return x_C.view(1, -1, *[1] * (like.ndim - 2))
