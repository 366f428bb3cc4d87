"""How many threads this process computes with."""

from __future__ import annotations

import torch


def use_threads(n: int) -> None:
    """Compute with `n` threads; 0 leaves torch's own choice (all cores)."""
    if n:
        torch.set_num_threads(n)
