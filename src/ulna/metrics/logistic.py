"""The logistic function."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ulna.metrics.inputs import Floats


def sigmoid(z: npt.ArrayLike) -> Floats:
    """Return the probabilities 1 / (1 + exp(-z)) of logits `z`, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(z, dtype=np.float64) / 2)))
