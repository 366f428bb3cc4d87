"""A limit that new values exceed no more often than promised."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def conformal_limit(values: npt.NDArray[np.float64], rate: float) -> float:
    """What a new value, drawn like these, exceeds with a probability of at most `rate`.

    The ceil((n + 1)(1 - rate))-th smallest (Vovk, Gammerman and Shafer 2005, section 2.3), the
    largest where that is more than n.
    """
    rank = min(math.ceil((len(values) + 1) * (1 - rate)), len(values))
    return float(np.sort(values)[rank - 1])
