"""The conformal quantile: a limit that new values exceed at most at a chosen rate."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def conformal_limit(values: npt.NDArray[np.float64], rate: float) -> float:
    """Return the limit that a new exchangeable value exceeds with probability at most `rate`.

    It is the ceil((n + 1)(1 - rate))-th smallest of the n values (Vovk, Gammerman and Shafer 2005,
    section 2.3), or the largest where that rank exceeds n.
    """
    rank = min(math.ceil((len(values) + 1) * (1 - rate)), len(values))
    return float(np.sort(values)[rank - 1])
