"""The standard error of Cohen's kappa, and the variance that MURA's evaluator uses instead."""

from __future__ import annotations

import numpy as np

from ulna.metrics.decisions import Confusion, kappa_of
from ulna.metrics.inputs import Floats, ratio


def kappa_standard_error(c: Confusion) -> Floats:
    """Return the (D,) large-sample standard errors of kappa, nan where kappa is undefined.

    Source: Fleiss, Cohen and Everitt 1969, equation 13.
    """
    n = c.total
    # Rows are labels, columns are decisions, each in the order normal, abnormal.
    cells_D22 = np.stack([np.stack([c.tn, c.fp], -1), np.stack([c.fn, c.tp], -1)], -2)
    p_D22 = ratio(cells_D22, n[:, None, None])
    rows_D2, columns_D2 = p_D22.sum(2), p_D22.sum(1)
    chance = (rows_D2 * columns_D2).sum(1)
    kappa = kappa_of(c)
    disagreement = (1 - kappa)[:, None, None]
    both_D22 = columns_D2[:, :, None] + rows_D2[:, None, :]  # p_.i + p_j.
    diagonal = np.eye(2, dtype=bool)
    squares = (p_D22 * (diagonal - both_D22 * disagreement) ** 2).sum((1, 2))
    numerator = squares - (kappa - chance * (1 - kappa)) ** 2
    variance = ratio(np.maximum(numerator, 0), n * (1 - chance) ** 2)
    return np.asarray(np.sqrt(variance))


def kappa_variance(c: Confusion) -> Floats:
    """Return the (D,) variances p_o (1 - p_o) / (n (1 - p_e)^2) of kappa, nan where undefined.

    This is the square of the standard error of Cohen (1960). MURA's evaluator takes it for the
    standard error itself, which makes its interval far too narrow.
    """
    n = c.total
    observed = ratio(c.tp + c.tn, n)
    chance = ratio((c.tp + c.fp) * (c.tp + c.fn) + (c.tn + c.fn) * (c.tn + c.fp), n**2)
    return ratio(observed * (1 - observed), n * (1 - chance) ** 2)
