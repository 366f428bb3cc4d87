"""Outlier head: a linear classifier that finds images that show no upper extremity at all.

A Gaussian fitted to the calibration images lies nearer to a leg from the same hospital than to a
wrist from another. So outliers are learned from examples (outlier exposure: Hendrycks, Mazeika and
Dietterich 2019, Deep anomaly detection with outlier exposure): synthetic pictures, and radiographs
of other regions if the calibration has some. The inputs are the features of the encoder's last
stage, which depend less on the hospital than those of the first ones, the body-part logits, and
their log-sum-exp (energy: Liu, Wang, Owens and Li 2020, Energy-based out-of-distribution
detection).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ulna.errors import BundleError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OutlierHead:
    """A linear classifier of K classes: weights (K, D), levels (K,) its biases; class 0 is inlier.

    middle: log-odds of outlier against inlier of the median in-distribution image. limit: log-odds
    above which an image is refused.
    """

    weights: Floats
    levels: Floats
    middle: float
    limit: float

    def __post_init__(self) -> None:
        k = len(self.levels)
        finite = np.isfinite(self.weights).all() and np.isfinite(self.levels).all()
        if self.weights.ndim != 2 or len(self.weights) != k or k < 2 or not finite:
            raise BundleError(
                f"head of shape {self.weights.shape} for {k} classes: expected (K, D) finite "
                "weights of at least two"
            )
        if not self.middle < self.limit < np.inf:  # also fails for nan
            raise BundleError(
                f"head: middle {self.middle}, limit {self.limit}: expected the limit above"
            )

    def log_odds(self, inputs: npt.ArrayLike) -> Floats:
        """Return the (N,) log-odds of outlier against inlier for (N, D) `outlier_inputs`."""
        logits = np.asarray(inputs, dtype=np.float64) @ self.weights.T + self.levels
        return np.asarray(np.logaddexp.reduce(logits[:, 1:], axis=1) - logits[:, 0])

    def share(self, features: npt.ArrayLike, parts: npt.ArrayLike) -> float:
        """Return the log-odds scaled to 0 for the median in-distribution image and 1 at the limit.

        features: (C,). parts: (P,) body-part logits. Raises BundleError for too few features.
        """
        inputs = outlier_inputs(features, parts, self.weights.shape[1] - np.size(parts) - 1)
        return float((self.log_odds(inputs[None])[0] - self.middle) / (self.limit - self.middle))


def outlier_inputs(features: npt.ArrayLike, parts: npt.ArrayLike, width: int) -> Floats:
    """Return the (width + P + 1,) inputs of an outlier head.

    They are the last `width` of the (C,) features, the (P,) body-part logits `parts`, and the
    log-sum-exp of the logits. Raises BundleError for fewer than `width` features.
    """
    all_features = np.asarray(features, dtype=np.float64)
    logits = np.asarray(parts, dtype=np.float64)
    if not 0 < width <= len(all_features):
        raise BundleError(
            f"{len(all_features)} features: the bundle's outlier head uses the last {width}: "
            "calibrate again"
        )
    return np.concatenate([all_features[-width:], logits, [np.logaddexp.reduce(logits)]])


def outlier_arrays(head: OutlierHead) -> dict[str, npt.NDArray[np.float32]]:
    """Return the head as float32 arrays, for the file of statistics."""
    return {
        "outside_weights": head.weights.astype(np.float32),
        "outside_levels": head.levels.astype(np.float32),
        "outside_limits": np.array([head.middle, head.limit], np.float32),
    }


def outlier_head_of(arrays: Mapping[str, Floats], name: str) -> OutlierHead:
    """Return the head of the expert `name`. Raises KeyError or ValueError for missing arrays."""
    middle, limit = (float(v) for v in arrays[f"{name}/outside_limits"])
    return OutlierHead(
        arrays[f"{name}/outside_weights"], arrays[f"{name}/outside_levels"], middle, limit
    )
