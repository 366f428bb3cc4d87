"""Sums over a batch of which another process may hold a part."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Total = Callable[[Tensor], Tensor]
"""From this process's sum to that of all, without gradient.

A loss that is a mean divides its own sum by the total count: the sum of all processes' losses is
then the loss of the whole batch, and so are the gradients.
"""


def alone(x: Tensor) -> Tensor:
    """The whole batch is here."""
    return x.detach()
