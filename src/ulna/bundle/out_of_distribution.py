"""What the images look like that a bundle answers for: statistics of its experts' features.

An image's distance is that of Mahalanobis, from the mean of the images the bundle was calibrated
on, with their covariance (Lee et al. 2018, A simple unified framework for detecting
out-of-distribution samples and adversarial attacks, eq. 1-2; one class in place of many). It
tells one hospital from another better than an arm from a leg, so it does not refuse where there is
an `OutlierHead`: it only says that an image is no known one.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ulna.bundle.outlier_head import OutlierHead, outlier_arrays, outlier_head_of
from ulna.errors import BundleError

Floats = npt.NDArray[np.float64]
_ARRAYS = ("mean", "scale", "axes", "variances")
# Nearly all of the file; rounded, distances of images move by less than a hundredth of themselves.
_HALF = ("axes",)


@dataclass(frozen=True)
class OutOfDistributionEntry:
    """What the manifest says of the statistics.

    file: name of theirs, sha256: of it. limits: by expert, the distance above which an image is
    foreign; check_negative_from: share of the limit from which the negative is looked at too.
    n_images: what the expert's statistics were fitted on. refused: share of good images that the
    limits refuse when they are not among those images. outlier_experts: those with an
    `OutlierHead`; empty where the distance alone refuses, as in bundles of earlier versions.
    n_outliers: what those heads know as outliers, by kind. outlier_limit: the mean of all these
    heads' shares from which on an image is refused (each alone refuses at 1). slack: of an image
    beyond the limit of distance, by how many calibrated logits its answer is uncertain, times its
    distance over the limit.
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
        # Written so that nan fails too.
        if not self.limits or not all(0 < v < math.inf for v in self.limits.values()):
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

    def check_experts(self, names: Set[str]) -> None:
        """Raise BundleError unless every expert with statistics is one of `names`."""
        if not set(self.limits) <= names:
            raise BundleError(
                f"out_of_distribution of {sorted(self.limits)}: expected some of {sorted(names)}"
            )


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Of one expert's C features: covariance by K of its axes, the same in all other directions.

    mean, scale: (C,), features are measured as (x - mean) / scale. axes: (K, C) orthonormal,
    variances: (K,) along them. rest: variance in every direction that is left.
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
        """(N,) distances >= 0 of (N, C) features; about sqrt(C) for an average image."""
        x = (np.asarray(features, dtype=np.float64) - self.mean) / self.scale
        along = x @ self.axes.T
        left = np.maximum((x**2).sum(axis=1) - (along**2).sum(axis=1), 0)
        # Where the axes span all directions, what is left is rounding.
        if len(self.axes) == len(self.mean):
            left = np.zeros_like(left)
        squared = (along**2 / self.variances).sum(axis=1) + left / self.rest
        return np.asarray(np.sqrt(squared))


@dataclass(frozen=True, eq=False)
class OutOfDistribution:
    """The statistics of each expert that has some; entry: what the manifest says of them."""

    entry: OutOfDistributionEntry
    experts: Mapping[str, FeatureStatistics]
    heads: Mapping[str, OutlierHead] = field(default_factory=dict)

    def score(self, features: Mapping[str, npt.ArrayLike]) -> float | None:
        """How far an image is by its (C,) features of each expert run; 1 at the limit.

        The mean of the experts' distances, each against its own limit. None where none of the
        experts has statistics.
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
        """How much an image looks like something else than a limb: 0 as the middle of the known
        images, 1 at the limit of refusal; the mean of the experts, which spreads less than each.

        features, parts: (C,) and (P,) body-part logits of each expert run. None where none of
        these experts has a head. Where only some of them are run, their mean is measured by 1, as
        each alone.
        """
        known = [n for n in features if n in self.heads]
        if not known:
            return None
        mean = float(np.mean([self.heads[n].share(features[n], parts[n]) for n in known]))
        return mean / self.entry.outlier_limit if len(known) == len(self.heads) else mean


def statistics_bytes(
    experts: Mapping[str, FeatureStatistics], heads: Mapping[str, OutlierHead] | None = None
) -> bytes:
    """The statistics as an npz file of single, axes of half precision.

    The same for the same numbers.
    """
    arrays = {}
    for name, result in experts.items():
        for what in _ARRAYS:
            stored = np.float16 if what in _HALF else np.float32
            arrays[f"{name}/{what}"] = getattr(result, what).astype(stored)
        arrays[f"{name}/rest"] = np.array([result.rest], np.float32)
    for name, head in (heads or {}).items():
        arrays |= {f"{name}/{what}": values for what, values in outlier_arrays(head).items()}
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def read_statistics(data: bytes, entry: OutOfDistributionEntry) -> OutOfDistribution:
    """The statistics of every expert that `entry` names. Raises BundleError for other contents."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {k: stored[k].astype(np.float64) for k in stored.files}
        return OutOfDistribution(
            entry,
            {n: _statistics_of(arrays, n) for n in entry.limits},
            {n: outlier_head_of(arrays, n) for n in entry.outlier_experts},
        )
    except (KeyError, IndexError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"{entry.file}: no feature statistics: {error}; calibrate again"
        ) from None


def _statistics_of(arrays: Mapping[str, Floats], name: str) -> FeatureStatistics:
    mean, scale, axes, variances, rest = (arrays[f"{name}/{what}"] for what in (*_ARRAYS, "rest"))
    return FeatureStatistics(mean, scale, axes, variances, float(rest[0]))
