"""Kappa's standard error: the delta method by differences, and simulated coverage."""

from __future__ import annotations

import numpy as np
import pytest

from ulna.metrics.agreement import kappa_standard_error, kappa_variance
from ulna.metrics.decisions import Confusion, kappa_of

TABLES = [(60, 12, 9, 119), (30, 0, 0, 30), (3, 1, 0, 26), (80, 40, 10, 500)]


def _confusion(*cells: float) -> Confusion:
    return Confusion(*(np.array([float(c)]) for c in cells))


def _kappa(p: np.ndarray) -> float:
    return float(kappa_of(_confusion(*p))[0])


@pytest.mark.parametrize("cells", TABLES)
def test_equals_the_delta_method(cells: tuple[int, ...]) -> None:
    n = sum(cells)
    p = np.array(cells) / n
    step = 1e-6
    # the gradient over four free cells; kappa does not change with their sum
    gradient = np.array(
        [(_kappa(p + step * e) - _kappa(p - step * e)) / (2 * step) for e in np.eye(4)]
    )
    expected = np.sqrt(((p * gradient**2).sum() - (p * gradient).sum() ** 2) / n)
    result = kappa_standard_error(_confusion(*cells))[0]
    assert result == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("cells", TABLES)
def test_mura_takes_the_square_of_cohens_standard_error(cells: tuple[int, ...]) -> None:
    tp, fp, fn, tn = cells
    n = sum(cells)
    right = (tp + tn) / n
    chance = ((tp + fp) * (tp + fn) + (tn + fp) * (tn + fn)) / n**2
    cohen = np.sqrt(right * (1 - right) / (n * (1 - chance) ** 2))
    assert kappa_variance(_confusion(*cells))[0] == pytest.approx(cohen**2, abs=1e-15)


def test_the_interval_covers_and_muras_does_not() -> None:
    rng = np.random.default_rng(0)
    p = np.array([0.36, 0.05, 0.07, 0.52])
    draws = rng.multinomial(207, p, size=1000).T.astype(float)
    c = Confusion(*draws)
    away = np.abs(kappa_of(c) - _kappa(p))
    assert 0.925 < (away <= 1.96 * kappa_standard_error(c)).mean() < 0.97
    assert (away <= 1.96 * kappa_variance(c)).mean() < 0.25


def test_undefined_without_both_answers() -> None:
    assert np.isnan(kappa_standard_error(_confusion(0, 0, 0, 9))).all()
    assert np.isnan(kappa_variance(_confusion(0, 0, 0, 9))).all()
