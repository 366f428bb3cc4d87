"""Out-of-distribution detection by statistics of the experts' features.

The distance of an image is the Mahalanobis distance of its features from the mean of the
calibration images, with their covariance (Lee et al. 2018, A simple unified framework for detecting
out-of-distribution samples and adversarial attacks, eq. 1-2; with one class instead of many). It
separates hospitals better than it separates arms from legs. So where there is an `OutlierHead`,
the head decides about refusal, and the distance only marks an image as near out of distribution.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ulna.bundle.outlier_head import OutlierHead, outlier_arrays, outlier_head_of
from ulna.errors import BundleError

Floats = npt.NDArray[np.float64]
_ARRAYS = ("mean", "scale", "axes", "variances")
# Nearly all of the file. Rounding changes the distance of an image by less than 1 %.
_HALF = ("axes",)


@dataclass(frozen=True)
class OutOfDistributionEntry:
    """The manifest's entry about the detector; its arrays are in a file of their own.

    file, sha256: name and hash of that file. limits: expert -> distance above which an image is out
    of distribution. check_negative_from: share of the limit from which the negative of an image is
    tried too. n_images: expert -> number of images its statistics were fitted on. refused: share of
    held-out in-distribution images that the limits refuse. outlier_experts: experts with an
    `OutlierHead`; empty in bundles of earlier versions, where the distance alone refuses.
    n_outliers: kind of outlier -> number that the heads were trained on. outlier_limit: mean score
    of all heads above which an image is refused (1 for a single head). uncertainty_margin: half
    width, in calibrated logits, of the interval of an image beyond the limit of distance, per unit
    of distance / limit.
    """

    file: str
    sha256: str
    limits: dict[str, float]
    check_negative_from: float
    n_images: dict[str, int]
    refused: float
    outlier_experts: tuple[str, ...] = ()
    n_outliers: dict[str, int] = field(default_factory=dict)
    uncertainty_margin: float = 0.0
    outlier_limit: float = 1.0

    def __post_init__(self) -> None:
        if self.file in ("", ".", "..") or "/" in self.file or "\\" in self.file:
            raise BundleError(
                f"out_of_distribution: file {self.file!r}: expected the plain name of a file in "
                "the bundle"
            )
        if not self.limits or not all(0 < v < math.inf for v in self.limits.values()):  # no nan
            raise BundleError(
                f"out_of_distribution: limits {self.limits}: expected positive numbers"
            )
        if not (0 <= self.check_negative_from <= 1 and 0 <= self.refused <= 1):
            raise BundleError(
                f"out_of_distribution: check_negative_from {self.check_negative_from}, refused "
                f"{self.refused}: expected 0 to 1"
            )
        if not 0 < self.outlier_limit < math.inf:
            raise BundleError(
                f"out_of_distribution: outlier_limit {self.outlier_limit}: expected a positive "
                "number"
            )
        if not (
            0 <= self.uncertainty_margin < math.inf
            and set(self.outlier_experts) <= set(self.limits)
        ):
            raise BundleError(
                f"out_of_distribution: uncertainty_margin {self.uncertainty_margin}, "
                f"outlier_experts {self.outlier_experts}: expected a number >= 0 and "
                f"experts among {sorted(self.limits)}"
            )


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Mean and covariance of one expert's C features, the latter by K principal axes.

    mean, scale: (C,), features are standardised as (x - mean) / scale. axes: (K, C) orthonormal,
    variances: (K,) along them. rest: variance in all remaining directions.
    """

    mean: Floats
    scale: Floats
    axes: Floats
    variances: Floats
    rest: float

    def __post_init__(self) -> None:
        n = len(self.mean)
        shapes = (self.scale.shape, self.axes.shape, self.variances.shape)
        if shapes != ((n,), (len(self.variances), n), (len(self.axes),)):
            raise BundleError(
                f"feature statistics of shapes {shapes}: they do not fit {n} features"
            )
        positive = (self.scale, self.variances, np.array([self.rest]))
        if not all((v > 0).all() and np.isfinite(v).all() for v in positive):
            raise BundleError("feature statistics: expected positive, finite scales and variances")

    def distance(self, features: npt.ArrayLike) -> Floats:
        """Return the (N,) Mahalanobis distances of (N, C) features; on average about sqrt(C)."""
        x = (np.asarray(features, dtype=np.float64) - self.mean) / self.scale
        along = x @ self.axes.T
        left = np.maximum((x**2).sum(axis=1) - (along**2).sum(axis=1), 0)
        if len(self.axes) == len(self.mean):  # the axes span everything: only rounding is left
            left = np.zeros_like(left)
        squared = (along**2 / self.variances).sum(axis=1) + left / self.rest
        return np.asarray(np.sqrt(squared))


@dataclass(frozen=True, eq=False)
class OodDetector:
    """The feature statistics and outlier heads of the experts; entry: that of the manifest."""

    entry: OutOfDistributionEntry
    experts: Mapping[str, FeatureStatistics]
    heads: Mapping[str, OutlierHead] = field(default_factory=dict)

    def score(self, features: Mapping[str, npt.ArrayLike]) -> float | None:
        """Return the distance of an image divided by its limit, from (C,) features by expert.

        The mean over the experts of distance / limit; None if none of them has statistics.
        """
        known = [n for n in features if n in self.experts]
        if not known:
            return None
        shares = [
            self.experts[n].distance(np.asarray(features[n])[None])[0] / self.entry.limits[n]
            for n in known
        ]
        return float(np.mean(shares))

    def outlier_score(
        self, features: Mapping[str, npt.ArrayLike], parts: Mapping[str, npt.ArrayLike]
    ) -> float | None:
        """Return the outlier score: 0 for the median in-distribution image, refused above 1.

        features, parts: (C,) features and (P,) body-part logits by expert. The mean over the heads
        of these experts, which varies less than a single one; None if there is no head. The limit
        of the mean is `entry.outlier_limit` if all heads were run, else 1 as for a single head.
        """
        known = [n for n in features if n in self.heads]
        if not known:
            return None
        mean = float(np.mean([self.heads[n].share(features[n], parts[n]) for n in known]))
        return mean / self.entry.outlier_limit if len(known) == len(self.heads) else mean


def statistics_bytes(
    experts: Mapping[str, FeatureStatistics], heads: Mapping[str, OutlierHead] | None = None
) -> bytes:
    """Return the statistics as the bytes of an npz file, float32 with axes in float16.

    Equal statistics give equal bytes.
    """
    arrays = {}
    for name, statistics in experts.items():
        for key in _ARRAYS:
            stored = np.float16 if key in _HALF else np.float32
            arrays[f"{name}/{key}"] = getattr(statistics, key).astype(stored)
        arrays[f"{name}/rest"] = np.array([statistics.rest], np.float32)
    for name, head in (heads or {}).items():
        arrays |= {f"{name}/{key}": values for key, values in outlier_arrays(head).items()}
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def read_statistics(data: bytes, entry: OutOfDistributionEntry) -> OodDetector:
    """Read the statistics of all experts in `entry`. Raises BundleError for other contents."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {k: stored[k].astype(np.float64) for k in stored.files}
        return OodDetector(
            entry,
            {n: _statistics_of(arrays, n) for n in entry.limits},
            {n: outlier_head_of(arrays, n) for n in entry.outlier_experts},
        )
    except (KeyError, IndexError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"{entry.file}: no feature statistics: {error}; calibrate again"
        ) from None


def _statistics_of(arrays: Mapping[str, Floats], name: str) -> FeatureStatistics:
    mean, scale, axes, variances, rest = (arrays[f"{name}/{key}"] for key in (*_ARRAYS, "rest"))
    return FeatureStatistics(mean, scale, axes, variances, float(rest[0]))
