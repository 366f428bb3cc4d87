"""The number of torch's threads."""

from __future__ import annotations

import os

import torch

from ulna.machine import THREAD_VARIABLES, arithmetic_threads


def limit_torch_threads(n: int = 0) -> None:
    """Let torch use `n` threads; with 0, no more than this process may use (`ulna.machine`).

    Torch respects the affinity mask but no control group. With 0, a smaller number, or one set in
    the environment, is kept.
    """
    most = arithmetic_threads()
    if n:
        torch.set_num_threads(n)
    elif torch.get_num_threads() > most and not any(
        name in os.environ for name in THREAD_VARIABLES
    ):
        torch.set_num_threads(most)
