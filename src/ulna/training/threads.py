"""How many threads this process computes with."""

from __future__ import annotations

import torch

from ulna.models.threads import within_the_machine


def use_threads(n: int = 0) -> None:
    """Compute with `n` threads; 0 leaves torch's own choice, but no more than may be used."""
    if n:
        torch.set_num_threads(n)
    else:
        within_the_machine()
