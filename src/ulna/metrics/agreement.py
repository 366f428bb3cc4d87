"""Standard errors of Cohen's kappa: the large-sample one, and that of MURA's evaluator."""

from __future__ import annotations

import numpy as np

from ulna.metrics.decisions import Confusion, kappa_of
from ulna.metrics.inputs import Floats, ratio


def kappa_standard_error(c: Confusion) -> Floats:
    """(D,) large-sample standard error of kappa (Fleiss, Cohen and Everitt 1969, eq. 13).

    nan where kappa is.
    """
    n = c.total
    # rows: the label; columns: the answer; [normal, abnormal]
    cells_D22 = np.stack([np.stack([c.tn, c.fp], -1), np.stack([c.fn, c.tp], -1)], -2)
    p_D22 = ratio(cells_D22, n[:, None, None])
    rows_D2, columns_D2 = p_D22.sum(2), p_D22.sum(1)
    chance = (rows_D2 * columns_D2).sum(1)
    kappa = kappa_of(c)
    apart = (1 - kappa)[:, None, None]
    both_D22 = columns_D2[:, :, None] + rows_D2[:, None, :]  # p_.i + p_j.
    same = np.eye(2, dtype=bool)
    inside = (p_D22 * (same - both_D22 * apart) ** 2).sum((1, 2))
    spread = inside - (kappa - chance * (1 - kappa)) ** 2
    variance = ratio(np.maximum(spread, 0), n * (1 - chance) ** 2)
    result: Floats = np.sqrt(variance)
    return result


def kappa_spread_of_mura(c: Confusion) -> Floats:
    """(D,) p_o (1 - p_o) / (n (1 - p_e)^2): what MURA's evaluator takes for a standard error.

    It is the square of Cohen's (1960) standard error, so an interval made of it is far too
    narrow. nan where kappa is.
    """
    n = c.total
    observed = ratio(c.tp + c.tn, n)
    chance = ratio((c.tp + c.fp) * (c.tp + c.fn) + (c.tn + c.fn) * (c.tn + c.fp), n**2)
    return ratio(observed * (1 - observed), n * (1 - chance) ** 2)
