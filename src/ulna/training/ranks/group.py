"""Collective operations of the processes of a training, which cost nothing in a single one.

Every process draws the random numbers of the whole batch and computes its rows. Sums over the batch
are sums over all processes, so that the weights are those of one process with the whole batch
(decision 023). What depends on a clock, a file or a score is decided by the first process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn

from ulna.errors import TrainingError
from ulna.training.ranks.lifeline import Lifeline

T = TypeVar("T")
# The lifeline reports the end of a process a little later than the failed operation does.
_VERDICT_SECONDS = 3.0


@dataclass(frozen=True)
class Ranks:
    """This process is number `rank` of `size`, on device `local` of its machine.

    waiting: the group for operations that may wait for hours. lifeline: None for a single process.
    """

    rank: int = 0
    size: int = 1
    local: int = 0
    waiting: dist.ProcessGroup | None = None
    lifeline: Lifeline | None = None

    @property
    def first(self) -> bool:
        """Whether this process decides and writes."""
        return self.rank == 0

    def rows(self, n: int) -> npt.NDArray[np.int64]:
        """Return the indices of this process's images in a batch of `n`."""
        return np.arange(self.rank, n, self.size)

    def total(self, x: Tensor) -> Tensor:
        """Return the sum of all processes' `x`, without gradient."""
        if self.size == 1:
            return x.detach()
        summed = x.detach().clone()
        self._together(lambda: dist.all_reduce(summed))
        return summed

    def gathered(self, x: Tensor) -> Tensor:
        """Return (size, ...) every process's `x`, without gradient."""
        if self.size == 1:
            return x.detach()[None]
        parts = [torch.empty_like(x) for _ in range(self.size)]
        self._together(lambda: dist.all_gather(parts, x.detach().contiguous()))
        return torch.stack(parts)

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the gradients of `parameters` by their sums over all processes."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        summed = self.total(torch.cat([g.flatten() for g in gradients]))
        start = 0
        for gradient in gradients:
            part = summed[start : start + gradient.numel()]
            gradient.copy_(part.view_as(gradient))
            start += gradient.numel()

    def decide(self, choose: Callable[[], T]) -> T:
        """Return the result of `choose` in the first process; the others do not call it."""
        if self.size == 1:
            return choose()
        decision = [choose() if self.first else None]
        self._together(lambda: dist.broadcast_object_list(decision, 0, self.waiting))
        return decision[0]  # type: ignore[return-value]

    def wait(self) -> None:
        """Wait for all processes, however long that takes."""
        if self.size > 1:
            self._together(lambda: dist.barrier(self.waiting))

    def _together(self, operation: Callable[[], object]) -> None:
        """Run a collective operation; raises TrainingError when another process has ended."""
        try:
            operation()
        except RuntimeError as error:  # torch's, of a connection that was closed
            assert self.lifeline is not None
            lost = self.lifeline.failure(_VERDICT_SECONDS)
            raise lost or TrainingError(
                f"the {self.size} processes of this training lost each other ({error}): `ulna "
                "train ... --resume` goes on from the last checkpoint"
            ) from None


SINGLE_PROCESS = Ranks()
