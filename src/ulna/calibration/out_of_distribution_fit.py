"""What a bundle's images look like, from the features of its calibration images.

Mean and covariance are fitted on all of them; the limit is a conformal quantile of distances
that each image has from a fit without its own fold of patients, so that about one good image in a
hundred lies beyond. Images of the other polarity are turned first, where their negative is closer.
What lies outside is learned from examples (`outlier_fit`).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ulna.bundle import OutlierHead
from ulna.bundle.out_of_distribution import (
    FeatureStatistics,
    Floats,
    OodDetector,
    OutOfDistributionEntry,
)
from ulna.calibration.conformal_limit import conformal_limit
from ulna.calibration.outlier_fit import REFUSED as REFUSED_OUTSIDE
from ulna.calibration.outlier_fit import (
    LearnedHead,
    Limbs,
    OutlierExamples,
    fit_outliers,
    inputs_of,
)
from ulna.runtime.screen import CLOSER
from ulna.types import ImageRef

if TYPE_CHECKING:
    from ulna.runtime import ImageOutputs, StudyOutputs

# Share of good images that lie beyond the limit of distance.
REFUSED = 0.01
# Fewer say nothing about the last hundredth.
MIN_IMAGES = 100
# Share of good images whose negative is looked at too.
CHECK_NEGATIVE_FROM = 0.2
_FOLDS = 10
_MOST_AXES = 128
_ROUNDS = 3


@dataclass(frozen=True)
class Fitted:
    """Of one expert; limit: distance; check_negative_from: share of the limit; n_images: fitted on.

    head: what tells limbs from what is outside, None without examples of it. shares: how far each
    of the images is on the way to the head's limit, from a fit without its patient.
    """

    statistics: FeatureStatistics
    limit: float
    check_negative_from: float
    n_images: int
    head: OutlierHead | None = None
    shares: Mapping[ImageRef, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Beside:
    """What a fit is given beside the calibration images.

    examples: what the experts say of images without a limb. widths: by expert, how many of its
    features are of the last stage; all where that is not known.
    """

    examples: OutlierExamples = field(default_factory=OutlierExamples)
    widths: Mapping[str, int] = field(default_factory=dict)


def enough_images(outputs: Sequence[StudyOutputs]) -> bool:
    """Whether a fit of these is possible at all, as far as their number says."""
    return sum(not i.non_radiograph for s in outputs for i in s.images) >= MIN_IMAGES


def fit_out_of_distribution(
    outputs: Sequence[StudyOutputs], names: Sequence[str], beside: Beside | None = None
) -> OodDetector | None:
    """The statistics of each of the experts `names`; None without features or with few images."""
    result = {n: f for n in names if (f := fit_expert(outputs, n, beside)) is not None}
    return out_of_distribution_of(result, beside)


def out_of_distribution_of(
    result: dict[str, Fitted], beside: Beside | None = None
) -> OodDetector | None:
    """The fits of several experts, each of its own images; None without any."""
    if not result:
        return None
    heads = {n: f.head for n, f in result.items() if f.head is not None}
    entry = OutOfDistributionEntry(
        file="unwritten",
        sha256="",
        limits={n: f.limit for n, f in result.items()},
        check_negative_from=float(np.mean([f.check_negative_from for f in result.values()])),
        n_images={n: f.n_images for n, f in result.items()},
        refused=REFUSED_OUTSIDE if heads else REFUSED,
        outlier_experts=tuple(heads),
        n_outliers=beside.examples.counts if heads and beside else {},
        outlier_limit=limit_of_mean([f.shares for f in result.values()]),
    )
    return OodDetector(entry, {n: f.statistics for n, f in result.items()}, heads)


def fit_expert(
    outputs: Sequence[StudyOutputs], name: str, beside: Beside | None = None
) -> Fitted | None:
    """The fit of the expert `name`; None without features or with few images."""
    images = [(s.study.patient_id, i) for s in outputs for i in s.images if not i.non_radiograph]
    known = [(p, i) for p, i in images if name in i.experts and i.experts[name].features.size]
    if len(known) < MIN_IMAGES:
        return None
    upright = np.array([i.experts[name].features for _, i in known], dtype=np.float64)
    turned = np.array([i.negative.get(name, i.experts[name].features) for _, i in known])
    patients = [p for p, _ in known]
    fitted = fit_features(upright, turned.astype(np.float64), patients)
    if beside is None:
        return fitted
    learned = _head([i for _, i in known], name, folds_of(patients), beside)
    if learned is None:
        return fitted
    refs = (i.ref for _, i in known)
    shares = dict(zip(refs, learned.shares.tolist(), strict=True))
    return replace(fitted, head=learned.head, shares=shares)


def limit_of_mean(shares: Sequence[Mapping[ImageRef, float]]) -> float:
    """What the mean of the experts' shares exceeds on one known image in two hundred.

    shares: of each expert, on the images that it did not learn from. Of a bundle of folds an
    image's mean is over the experts of its own fold alone; that over all folds spreads less still,
    so that fewer known images are refused than promised. 1 without any, and where no mean lies
    above the medians.
    """
    by_image: dict[ImageRef, list[float]] = {}
    for one in shares:
        for ref, share in one.items():
            by_image.setdefault(ref, []).append(share)
    if not by_image:
        return 1.0
    means = np.array([np.mean(s) for s in by_image.values()])
    limit = conformal_limit(means, REFUSED_OUTSIDE)
    return limit if limit > 0 else 1.0


def _head(
    images: Sequence[ImageOutputs], name: str, fold: npt.NDArray[np.int64], beside: Beside
) -> LearnedHead | None:
    width = beside.widths.get(name, 0) or len(images[0].experts[name].features)
    copied = [k for k, i in enumerate(images) if name in i.disturbed]
    message = inputs_of([i.experts[name] for i in images], width)
    copies = inputs_of([images[k].disturbed[name] for k in copied], width)
    limbs = Limbs(
        message, copies.reshape(len(copied), message.shape[1]), np.array(copied, np.int64), fold
    )
    both = (beside.examples.not_radiographs, beside.examples.outliers)
    return fit_outliers(limbs, [inputs_of([i.experts[name] for i in o], width) for o in both])


def folds_of(patients: Sequence[str]) -> npt.NDArray[np.int64]:
    """(N,) part of the patients to which each image belongs."""
    return np.array(
        [zlib.crc32(p.encode("utf-8", "backslashreplace")) % _FOLDS for p in patients], np.int64
    )


def fit_features(features: Floats, negatives: Floats, patients: Sequence[str]) -> Fitted:
    """The fit of good images: (N, C) features, those of their negatives, and whose they are."""
    fold = folds_of(patients)
    chosen = features
    for _ in range(_ROUNDS):
        others = cross_fitted(chosen, negatives, fold)
        own = cross_fitted(chosen, features, fold)
        turn = others < CLOSER * own
        chosen = np.where(turn[:, None], negatives, features)
        distances = np.where(turn, others, own)
    limit = conformal_limit(distances, REFUSED)
    again = float(np.quantile(distances, 1 - CHECK_NEGATIVE_FROM))
    return Fitted(fit_statistics(chosen), limit, min(again / limit, 1.0), len(chosen))


def cross_fitted(fitted: Floats, requested: Floats, fold: npt.NDArray[np.int64]) -> Floats:
    """(N,) distance of each of `requested` (N, C) from the fit on `fitted` of all other folds."""
    result = np.zeros(len(requested))
    for k in np.unique(fold):
        held = fold == k
        if held.all():  # one patient alone: nothing is left to fit on
            return fit_statistics(fitted).distance(requested)
        result[held] = fit_statistics(fitted[~held]).distance(requested[held])
    return result


def fit_statistics(features: Floats) -> FeatureStatistics:
    """Mean and shrunk covariance of (N, C) features, each measured by its standard deviation.

    Shrunk to a multiple of the identity by Ledoit and Wolf (2004, A well-conditioned estimator
    for large-dimensional covariance matrices, lemma 3.2 to 3.4). With more than 128 directions
    the weaker ones share their mean variance.
    """
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-6 * max(scale.max(), 1e-12), scale, max(scale.max(), 1.0))
    x = (features - mean) / scale
    n, c = x.shape
    _, singular, axes = np.linalg.svd(x, full_matrices=False)
    raw = singular**2 / n
    rho, even = shrinkage(x)
    # The directions that N images cannot span have the variance `rho * even`.
    variances = np.maximum((1 - rho) * raw + rho * even, 1e-9)
    kept = min(_MOST_AXES, len(raw))
    total = variances[kept:].sum() + (c - len(raw)) * max(rho * even, 1e-9)
    rest = total / (c - kept) if c > kept else 1.0
    return FeatureStatistics(mean, scale, axes[:kept], variances[:kept], float(rest))


def shrinkage(centred: Floats) -> tuple[float, float]:
    """(rho, mu) of Ledoit and Wolf for centred (N, C): covariance (1 - rho) S + rho mu I."""
    n, c = centred.shape
    squares = (centred**2).sum(axis=1)
    mu = float(squares.sum() / (n * c))
    # |S|^2 by the smaller of the two products
    product = centred.T @ centred if c <= n else centred @ centred.T
    norm = float((product**2).sum()) / n**2
    spread = norm / c - mu**2
    error = min(float((squares**2).sum() / n - norm) / (n * c), spread)
    return (error / spread if spread > 0 else 0.0), mu
