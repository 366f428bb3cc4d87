"""How many threads torch computes with."""

from __future__ import annotations

import os

import torch

from ulna.machine import THREADS_SAID, arithmetic_threads


def limit_torch_threads() -> None:
    """Let torch compute with no more threads than this process may use (ulna.machine).

    Torch follows the affinity mask and no control group. A number that was set in the environment
    or is smaller already is left.
    """
    most = arithmetic_threads()
    if torch.get_num_threads() > most and not any(name in os.environ for name in THREADS_SAID):
        torch.set_num_threads(most)
