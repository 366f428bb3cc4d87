"""The source probe: can a linear classifier predict the source of an image from its features?

Where it can, the bundle's answers may depend on the hospital instead of the finding. The probe is
fitted among images of one label, since sources differ in their share of abnormal images.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import softmax

from ulna.config.bounds import Bounds, Seed, check_fields
from ulna.errors import DatasetError
from ulna.evaluation.scores import Json, Resampling, interval_json
from ulna.metrics.bootstrap import Statistic, bootstrap_intervals
from ulna.metrics.inputs import Floats, ratio
from ulna.metrics.ranking import weighted_auroc

Names = npt.NDArray[np.str_]
LABELS = {"normal": 0.0, "abnormal": 1.0}


@dataclass(frozen=True)
class ProbeSettings:
    """Settings of a source probe.

    folds: of patients; a source with fewer patients of a label is left out for that label.
    penalty: factor of the squared weights on standardised features, 1 / (2 C) for scikit-learn's C.
    seed: of the assignment to folds.
    """

    folds: Annotated[int, Bounds(2, 1_000)] = 5
    penalty: Annotated[float, Bounds(1e-6, 1e6)] = 0.5
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_fields(self, "source probe")


@dataclass(frozen=True)
class ImageFeatures:
    """Features (N, C) of N images. source, patient, body_part: (N,) names.

    abnormal: (N,) labels 0 or 1, nan where not known.
    """

    features: Floats
    source: Names
    patient: Names
    body_part: Names
    abnormal: Floats

    def of(self, chosen: npt.NDArray[np.bool_]) -> ImageFeatures:
        """Return the images selected by the mask `chosen` (N,)."""
        return ImageFeatures(
            self.features[chosen],
            self.source[chosen],
            self.patient[chosen],
            self.body_part[chosen],
            self.abnormal[chosen],
        )


def probe_sources(
    images: ImageFeatures,
    settings: ProbeSettings | None = None,
    resampling: Resampling | None = None,
) -> Json:
    """Measure for each label how well a linear classifier predicts the source of an image.

    Returns `{normal: ..., abnormal: ...}`, for each `auroc` (macro mean over sources, each against
    the others; 0.5 by chance) and `balanced_accuracy` (mean recall; `chance` is 1 / number of
    sources) with intervals over patients, `n` images by source, and `left_out`, sources with too
    few patients. A label with fewer than two sources has `reason` in place of scores. The
    predictions are out of fold, by patient, from a multinomial logistic regression with equal
    weight for each class (`fit_logistic`). Raises DatasetError without features.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> names = np.repeat(["a", "b"], 100)
    >>> images = ImageFeatures(
    ...     rng.normal(size=(200, 8)) + 2 * (names == "b")[:, None],
    ...     names, np.arange(200).astype(str), np.full(200, "WRIST"), np.zeros(200),
    ... )
    >>> probe_sources(images)["normal"]["auroc"]["value"] > 0.99
    True
    """
    settings, resampling = settings or ProbeSettings(), resampling or Resampling()
    if not images.features.size:
        raise DatasetError(
            "no features: expected a bundle whose graphs have the output 'features' (export it "
            "again with this version)"
        )
    return {
        name: _within(images.of(images.abnormal == value), settings, resampling)
        for name, value in LABELS.items()
    }


def _within(images: ImageFeatures, settings: ProbeSettings, resampling: Resampling) -> Json:
    patients = {s: len({*images.patient[images.source == s]}) for s in np.unique(images.source)}
    kept = sorted(str(s) for s, n in patients.items() if n >= settings.folds)
    result: Json = {
        "n": {s: int((images.source == s).sum()) for s in kept},
        "left_out": {str(s): n for s, n in patients.items() if s not in kept},
    }
    if len(kept) < 2:
        return result | {"reason": f"fewer than two sources have {settings.folds} patients"}
    images = images.of(np.isin(images.source, kept))
    truth = np.searchsorted(kept, images.source)
    probability = _out_of_fold(images, truth, len(kept), settings)
    statistics: dict[str, Statistic] = {
        "auroc": partial(_macro_auroc, truth, probability),
        "balanced_accuracy": partial(_balanced, truth, probability.argmax(axis=1)),
    }
    intervals = bootstrap_intervals(images.patient, statistics, resampling.draws, resampling.seed)
    result |= {name: interval_json(i) for name, i in intervals.items()}
    return result | {"chance": 1 / len(kept)}


def _out_of_fold(
    images: ImageFeatures, truth: npt.NDArray[np.int64], k: int, settings: ProbeSettings
) -> Floats:
    fold = _folds_by_patient(images, settings)
    probability = np.zeros((len(truth), k))
    for number in range(settings.folds):
        held = fold == number
        weight, bias = fit_logistic(images.features[~held], truth[~held], k, settings.penalty)
        probability[held] = softmax(images.features[held] @ weight + bias, axis=1)
    return probability


def _folds_by_patient(images: ImageFeatures, settings: ProbeSettings) -> npt.NDArray[np.int64]:
    """Return the fold (N,) of each image; the patients of a source are assigned in random order."""
    rng = np.random.default_rng(settings.seed)
    fold: dict[str, int] = {}
    for source in np.unique(images.source):
        own = np.unique(images.patient[images.source == source])
        for i, patient in enumerate(rng.permutation(own)):
            fold.setdefault(str(patient), i % settings.folds)
    return np.array([fold[str(p)] for p in images.patient])


def fit_logistic(
    features: Floats, truth: npt.NDArray[np.int64], k: int, penalty: float
) -> tuple[Floats, Floats]:
    """Fit weights (C, k) and biases (k,) of a multinomial logistic regression to features (N, C).

    Classes 0 to k - 1 have equal weight, whatever their sizes. L-BFGS minimises the sum of weighted
    cross-entropies plus penalty * squared weights on features standardised to deviation 1. Biases
    are not penalised. Classes that do not occur get a low bias.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation = np.where(deviation > 1e-9, deviation, 1.0)
    x = (features - mean) / deviation
    counts = np.maximum(np.bincount(truth, minlength=k), 1)
    share = (len(truth) / k / counts)[truth]
    target = np.eye(k)[truth]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weight, bias = flat[:-k].reshape(-1, k), flat[-k:]
        p = softmax(x @ weight + bias, axis=1)
        value = -(share * np.log(np.maximum(p[np.arange(len(p)), truth], 1e-300))).sum()
        wrong = share[:, None] * (p - target)
        slope = np.concatenate([(x.T @ wrong + 2 * penalty * weight).ravel(), wrong.sum(axis=0)])
        return float(value + penalty * (weight**2).sum()), slope

    result = minimize(loss, np.zeros(x.shape[1] * k + k), jac=True, method="L-BFGS-B").x
    weight = result[:-k].reshape(-1, k) / deviation[:, None]
    return weight, result[-k:] - mean @ weight


def _macro_auroc(truth: npt.NDArray[np.int64], probability: Floats, weights: Floats) -> Floats:
    each = [
        weighted_auroc(truth == k, probability[:, k], weights) for k in range(probability.shape[1])
    ]
    return np.asarray(np.mean(each, axis=0))


def _balanced(
    truth: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], weights: Floats
) -> Floats:
    hits = (truth == predicted).astype(np.float64)
    each = [
        ratio(weights[:, truth == k] @ hits[truth == k], weights[:, truth == k].sum(axis=1))
        for k in np.unique(truth)
    ]
    return np.asarray(np.mean(each, axis=0))
