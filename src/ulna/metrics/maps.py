"""Metrics of heat maps: rank correlation, pixel-wise average precision, area under a curve."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ulna.errors import ConfigError
from ulna.metrics.inputs import Floats
from ulna.metrics.ranking import average_precision


def rank_correlation(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Return Spearman's rank correlation of two maps of the same shape, in [-1, 1].

    Equal values share their mean rank. The result is 0 where a map is constant. Used as in Adebayo
    et al. 2018. Raises ConfigError for maps whose shapes differ, that are empty or not finite.
    """
    a, b = (np.asarray(m, dtype=np.float64) for m in (one, other))
    if a.shape != b.shape or a.size == 0 or not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ConfigError(
            f"maps of shapes {a.shape} and {b.shape}: expected finite maps of the same shape"
        )
    x, y = (_ranks(m.ravel()) for m in (a, b))
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0 else 0.0


def _ranks(values: Floats) -> Floats:
    """Return the (N,) ranks from 1; equal values share the mean of their ranks."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean = last - (counts - 1) / 2
    return np.asarray(mean[index.ravel()], dtype=np.float64)


def pixel_average_precision(heat: npt.ArrayLike, mask: npt.ArrayLike) -> float:
    """Return the average precision of a map's pixels for a mask (both (H, W)), in (0, 1].

    This is the area under the precision-recall curve over pixels (Arun et al. 2021, Assessing the
    trustworthiness of saliency maps, utility test). Its chance level is the mask's share of the
    image. Raises ConfigError for shapes that differ and for an empty mask.
    """
    values, inside = np.asarray(heat, dtype=np.float64), np.asarray(mask, dtype=np.bool_)
    if values.shape != inside.shape or not inside.any():
        raise ConfigError(
            f"map of {values.shape}, mask of {inside.shape} with {int(inside.sum())} pixels: "
            "expected the same shape and a mask that is not empty"
        )
    return average_precision(inside.ravel(), values.ravel())


def area_under(share: npt.ArrayLike, value: npt.ArrayLike) -> float:
    """Return the mean height of the curve `value` over `share`, by the trapezoidal rule.

    Both have shape (N,), N >= 2. Raises ConfigError unless `share` is strictly ascending.
    """
    x, y = (np.asarray(v, dtype=np.float64) for v in (share, value))
    if x.shape != y.shape or x.ndim != 1 or len(x) < 2 or not (np.diff(x) > 0).all():
        raise ConfigError(
            f"curve of shapes {x.shape} and {y.shape}: expected both (N,), N >= 2, share ascending"
        )
    return float(np.trapezoid(y, x) / (x[-1] - x[0]))
