"""How many threads torch computes with."""

from __future__ import annotations

import os

import torch

from ulna.machine import THREAD_VARIABLES, arithmetic_threads


def within_the_machine() -> None:
    """Let torch compute with no more threads than this process may use (ulna.machine).

    Torch follows the affinity mask and no control group. A number that was set in the environment
    or is smaller already is left.
    """
    most = arithmetic_threads()
    if torch.get_num_threads() > most and not any(name in os.environ for name in THREAD_VARIABLES):
        torch.set_num_threads(most)
