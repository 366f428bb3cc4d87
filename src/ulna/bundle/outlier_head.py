"""What shows no limb of the upper extremity at all: linear classes on one expert's outputs.

A Gaussian of the known images lies nearer to a leg from the same hospital than to a wrist from
another. So what is outside is learned from examples (outlier exposure: Hendrycks, Mazeika and
Dietterich 2019, Deep anomaly detection with outlier exposure): pictures made for it that are no
images, and images of other regions where the calibration is given some. Looked at are the encoder's
last stage alone, which knows less of the hospital than the first ones, the body-part logits, and
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
    """weights: (K, D), levels: (K,): logits of K classes, the first of them a limb.

    middle, limit: log-odds of the others against the limb, of the median known image and from
    which on an image is refused.
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
        # Written so that nan fails too.
        if not self.middle < self.limit < np.inf:
            raise BundleError(
                f"head: middle {self.middle}, limit {self.limit}: expected the limit above"
            )

    def log_odds(self, inputs: npt.ArrayLike) -> Floats:
        """(N,) of (N, D) `outlier_inputs`: of everything outside against the limb."""
        logits = np.asarray(inputs, dtype=np.float64) @ self.weights.T + self.levels
        return np.asarray(np.logaddexp.reduce(logits[:, 1:], axis=1) - logits[:, 0])

    def share(self, features: npt.ArrayLike, parts: npt.ArrayLike) -> float:
        """0 of the median known image, 1 at the limit. features: (C,), parts: (P,) logits.

        Raises BundleError where these are fewer than the head looks at.
        """
        inputs = outlier_inputs(features, parts, self.weights.shape[1] - np.size(parts) - 1)
        return float((self.log_odds(inputs[None])[0] - self.middle) / (self.limit - self.middle))


def outlier_inputs(features: npt.ArrayLike, parts: npt.ArrayLike, width: int) -> Floats:
    """(width + P + 1,) of (C,) features and (P,) body-part logits.

    The last `width` features, the logits, and their log-sum-exp. Raises BundleError for fewer
    features.
    """
    all_features = np.asarray(features, dtype=np.float64)
    logits = np.asarray(parts, dtype=np.float64)
    if not 0 < width <= len(all_features):
        raise BundleError(
            f"{len(all_features)} features: the bundle's statistics look at the last {width}: "
            "calibrate again"
        )
    return np.concatenate([all_features[-width:], logits, [np.logaddexp.reduce(logits)]])


def outlier_arrays(head: OutlierHead) -> dict[str, npt.NDArray[np.float32]]:
    """The head as arrays of single precision, for the file of statistics."""
    return {
        "outside_weights": head.weights.astype(np.float32),
        "outside_levels": head.levels.astype(np.float32),
        "outside_limits": np.array([head.middle, head.limit], np.float32),
    }


def outlier_head_of(arrays: Mapping[str, Floats], name: str) -> OutlierHead:
    """The head of the expert `name`. Raises KeyError, ValueError for arrays that are not there."""
    middle, limit = (float(v) for v in arrays[f"{name}/outside_limits"])
    return OutlierHead(
        arrays[f"{name}/outside_weights"], arrays[f"{name}/outside_levels"], middle, limit
    )
