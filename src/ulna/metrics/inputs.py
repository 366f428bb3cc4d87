"""Validation of the metrics' input; each function raises ConfigError that names what came."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ulna.errors import ConfigError

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def check_labels(y_true: npt.ArrayLike, name: str = "y_true") -> Flags:
    """Return `y_true`, booleans or the numbers 0 and 1, as (N,) bool, True = abnormal."""
    array = np.asarray(y_true)
    if array.ndim != 1 or array.size == 0:
        raise ConfigError(f"{name} of shape {array.shape}: expected a non-empty (N,) array")
    if array.dtype != np.bool_ and not np.isin(array, (0, 1)).all():
        raise ConfigError(f"{name} has {array.dtype} values other than 0 and 1: expected labels")
    return array.astype(np.bool_)


def check_scores(score: npt.ArrayLike, n: int, name: str = "score") -> Floats:
    """Return `score` as (n,) float64, all finite."""
    array = np.asarray(score, dtype=np.float64)
    if array.shape != (n,):
        raise ConfigError(f"{name} of shape {array.shape}: expected ({n},), one per label")
    if not np.isfinite(array).all():
        bad = int(np.count_nonzero(~np.isfinite(array)))
        raise ConfigError(f"{name}: {bad} of {n} values are not finite: leave such studies out")
    return array


def check_probabilities(probability: npt.ArrayLike, n: int) -> Floats:
    """Return `probability` as (n,) float64 in [0, 1]."""
    array = check_scores(probability, n, "probability")
    if array.min() < 0 or array.max() > 1:
        raise ConfigError(
            f"probabilities from {array.min():.4g} to {array.max():.4g}: expected [0, 1]; "
            "pass logits through a sigmoid first"
        )
    return array


def check_weights(weights_DN: npt.ArrayLike, n: int) -> Floats:
    """Return `weights_DN` as (D, n) float64, none negative; each row is one bootstrap draw."""
    array = np.asarray(weights_DN, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != n or array.shape[0] == 0:
        raise ConfigError(f"weights of shape {array.shape}: expected (D, {n}) with D >= 1")
    if not np.isfinite(array).all() or array.min() < 0:
        raise ConfigError("weights: expected finite numbers >= 0")
    return array


def unit_weights(n: int) -> Floats:
    """Return (1, n) ones, the weights of the sample itself as the only draw."""
    return np.ones((1, n))


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Return `numerator / denominator`, nan where the denominator is 0."""
    quotient = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator != 0)
    return quotient
