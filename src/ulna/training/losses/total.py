"""Sums over a batch that may be divided between processes."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Total = Callable[[Tensor], Tensor]
"""Function from this process's sum to the sum over all processes, without gradient.

A mean loss divides its own sum by the total count, so that the sum of all processes' losses is the
loss of the whole batch, and likewise for the gradients.
"""


def local_total(x: Tensor) -> Tensor:
    """Return `x` without gradient: the whole batch is in this process."""
    return x.detach()
