"""The logistic function."""

from __future__ import annotations

import numpy as np

from ulna.metrics.logistic import sigmoid


def test_sigmoid_does_not_overflow() -> None:
    z = np.array([-1e4, -2.0, 0.0, 2.0, 1e4])
    np.testing.assert_allclose(sigmoid(z), [0, 1 / (1 + np.e**2), 0.5, 1 / (1 + np.e**-2), 1])
