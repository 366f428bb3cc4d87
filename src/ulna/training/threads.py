"""The number of threads of this process."""

from __future__ import annotations

import torch

from ulna.models.threads import limit_torch_threads


def use_threads(n: int = 0) -> None:
    """Compute with `n` threads; 0 keeps torch's choice within what this process may use."""
    if n:
        torch.set_num_threads(n)
    else:
        limit_torch_threads()
