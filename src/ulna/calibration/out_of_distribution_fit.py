"""Feature statistics of the calibration images, for the detection of out-of-distribution images.

Mean and covariance are fitted on all calibration images. The limit is a conformal quantile of
out-of-fold distances, each from a fit without the image's own fold of patients, so that about one
known image in a hundred lies beyond it. An image whose negative is closer is inverted first, since
it has the other polarity. Outliers are learned from examples (`outlier_fit`).
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
from ulna.calibration.outlier_fit import REFUSED as REFUSED_OUTLIERS
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

# Share of known images that lie beyond the limit of distance.
REFUSED = 0.01
# Fewer images do not determine a quantile of one in a hundred.
MIN_IMAGES = 100
# Share of known images whose negative is checked too.
CHECK_NEGATIVE_FROM = 0.2
_FOLDS = 10
_MOST_AXES = 128
_ROUNDS = 3


@dataclass(frozen=True)
class Fitted:
    """Fit of one expert to n_images. limit: of distance. check_negative_from: share of the limit.

    head: classifier of outliers, None without examples. shares: out-of-fold score of each image on
    the scale from the median (0) to the head's limit (1).
    """

    statistics: FeatureStatistics
    limit: float
    check_negative_from: float
    n_images: int
    head: OutlierHead | None = None
    shares: Mapping[ImageRef, float] = field(default_factory=dict)


@dataclass(frozen=True)
class OutlierReference:
    """Inputs of the fit of the outlier classifier beside the calibration images.

    examples: outputs on images without a limb. widths: by expert, how many of its features are of
    the encoder's last stage; all features are used where that is not known.
    """

    examples: OutlierExamples = field(default_factory=OutlierExamples)
    widths: Mapping[str, int] = field(default_factory=dict)


def enough_images(outputs: Sequence[StudyOutputs]) -> bool:
    """Whether there are enough images for a fit."""
    return sum(not i.non_radiograph for s in outputs for i in s.images) >= MIN_IMAGES


def fit_out_of_distribution(
    outputs: Sequence[StudyOutputs], names: Sequence[str], reference: OutlierReference | None = None
) -> OodDetector | None:
    """Fit each of the experts `names`. None without features or with too few images."""
    fits = {n: f for n in names if (f := fit_expert(outputs, n, reference)) is not None}
    return out_of_distribution_of(fits, reference)


def out_of_distribution_of(
    fits: dict[str, Fitted], reference: OutlierReference | None = None
) -> OodDetector | None:
    """Combine the fits of several experts, each on its own images. None without any."""
    if not fits:
        return None
    heads = {n: f.head for n, f in fits.items() if f.head is not None}
    entry = OutOfDistributionEntry(
        file="unwritten",
        sha256="",
        limits={n: f.limit for n, f in fits.items()},
        check_negative_from=float(np.mean([f.check_negative_from for f in fits.values()])),
        n_images={n: f.n_images for n, f in fits.items()},
        refused=REFUSED_OUTLIERS if heads else REFUSED,
        outlier_experts=tuple(heads),
        n_outliers=reference.examples.counts if heads and reference else {},
        outlier_limit=limit_of_mean([f.shares for f in fits.values()]),
    )
    return OodDetector(entry, {n: f.statistics for n, f in fits.items()}, heads)


def fit_expert(
    outputs: Sequence[StudyOutputs], name: str, reference: OutlierReference | None = None
) -> Fitted | None:
    """Fit the expert `name`. None without features or with too few images."""
    images = [(s.study.patient_id, i) for s in outputs for i in s.images if not i.non_radiograph]
    known = [(p, i) for p, i in images if name in i.experts and i.experts[name].features.size]
    if len(known) < MIN_IMAGES:
        return None
    upright = np.array([i.experts[name].features for _, i in known], dtype=np.float64)
    turned = np.array([i.negative.get(name, i.experts[name].features) for _, i in known])
    patients = [p for p, _ in known]
    fitted = fit_features(upright, turned.astype(np.float64), patients)
    if reference is None:
        return fitted
    learned = _head([i for _, i in known], name, folds_of(patients), reference)
    if learned is None:
        return fitted
    refs = (i.ref for _, i in known)
    shares = dict(zip(refs, learned.shares.tolist(), strict=True))
    return replace(fitted, head=learned.head, shares=shares)


def limit_of_mean(shares: Sequence[Mapping[ImageRef, float]]) -> float:
    """Return the limit that the experts' mean share exceeds on one known image in two hundred.

    shares: of each expert, out of fold. In a bundle of folds, the mean of an image is over the
    experts of its own fold only. The mean over all folds varies less, so that fewer known images
    than stated are refused. The limit is 1 without any shares, and where it would not be positive.
    """
    by_image: dict[ImageRef, list[float]] = {}
    for one in shares:
        for ref, share in one.items():
            by_image.setdefault(ref, []).append(share)
    if not by_image:
        return 1.0
    means = np.array([np.mean(s) for s in by_image.values()])
    limit = conformal_limit(means, REFUSED_OUTLIERS)
    return limit if limit > 0 else 1.0


def _head(
    images: Sequence[ImageOutputs],
    name: str,
    fold: npt.NDArray[np.int64],
    reference: OutlierReference,
) -> LearnedHead | None:
    width = reference.widths.get(name, 0) or len(images[0].experts[name].features)
    copied = [k for k, i in enumerate(images) if name in i.disturbed]
    inputs = inputs_of([i.experts[name] for i in images], width)
    copies = inputs_of([images[k].disturbed[name] for k in copied], width)
    copies = copies.reshape(len(copied), inputs.shape[1])
    limbs = Limbs(inputs, copies, np.array(copied, np.int64), fold)
    both = (reference.examples.not_radiographs, reference.examples.outliers)
    return fit_outliers(limbs, [inputs_of([i.experts[name] for i in o], width) for o in both])


def folds_of(patients: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the fold (N,) of each image, by its patient."""
    return np.array(
        [zlib.crc32(p.encode("utf-8", "backslashreplace")) % _FOLDS for p in patients], np.int64
    )


def fit_features(features: Floats, negatives: Floats, patients: Sequence[str]) -> Fitted:
    """Fit known images, given their features (N, C), those of their negatives and the patients."""
    fold = folds_of(patients)
    chosen = features
    for _ in range(_ROUNDS):
        others = cross_fitted(chosen, negatives, fold)
        own = cross_fitted(chosen, features, fold)
        inverted = others < CLOSER * own
        chosen = np.where(inverted[:, None], negatives, features)
        distances = np.where(inverted, others, own)
    limit = conformal_limit(distances, REFUSED)
    check = float(np.quantile(distances, 1 - CHECK_NEGATIVE_FROM))
    return Fitted(fit_statistics(chosen), limit, min(check / limit, 1.0), len(chosen))


def cross_fitted(fitted: Floats, features: Floats, fold: npt.NDArray[np.int64]) -> Floats:
    """Return the distance (N,) of each row of `features` from the fit on other folds of `fitted`.

    Both arrays are (N, C).
    """
    distances = np.zeros(len(features))
    for k in np.unique(fold):
        held = fold == k
        if held.all():  # a single fold leaves no other to fit on
            return fit_statistics(fitted).distance(features)
        distances[held] = fit_statistics(fitted[~held]).distance(features[held])
    return distances


def fit_statistics(features: Floats) -> FeatureStatistics:
    """Fit mean and shrunk covariance of features (N, C), standardised to deviation 1.

    The covariance is shrunk towards a multiple of the identity by Ledoit and Wolf (2004, A
    well-conditioned estimator for large-dimensional covariance matrices, lemma 3.2 to 3.4). The
    128 directions of largest variance are kept. All others get their mean variance.
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
    """Return (rho, mu) of Ledoit and Wolf for `centred` (N, C): covariance (1 - rho) S + rho mu I.

    S is the sample covariance.
    """
    n, c = centred.shape
    squares = (centred**2).sum(axis=1)
    mu = float(squares.sum() / (n * c))
    # The squared Frobenius norm of S, from the smaller of the two products.
    product = centred.T @ centred if c <= n else centred @ centred.T
    norm = float((product**2).sum()) / n**2
    spread = norm / c - mu**2
    error = min(float((squares**2).sum() / n - norm) / (n * c), spread)
    return (error / spread if spread > 0 else 0.0), mu
