"""The outlier classifier: limbs, pictures that are not radiographs, other regions of the body.

It is a multinomial logistic regression on standardised inputs with equal weight for each class
and a ridge penalty whose prior variance of the logits does not depend on the number of inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from ulna.bundle import OutlierHead, outlier_inputs
from ulna.calibration.conformal_limit import conformal_limit

if TYPE_CHECKING:
    from ulna.runtime import ImageOutputs
    from ulna.runtime.fusion import ExpertOutput

Floats = npt.NDArray[np.float64]
Classes = Sequence[Floats]
# Share of known images that the limit refuses.
REFUSED = 0.005
# A class with fewer examples is left out.
MIN_EXAMPLES = 20
# Variance of a logit under the prior, whatever the number of inputs.
_SPREAD = 70.0
_FOLDS = 5


@dataclass(frozen=True)
class OutlierExamples:
    """Outputs of the experts on images without a limb of the upper extremity.

    not_radiographs: of synthetic pictures. outliers: of images of other regions of the body.
    """

    not_radiographs: Sequence[ImageOutputs] = ()
    outliers: Sequence[ImageOutputs] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Number of examples by kind."""
        return {"not a radiograph": len(self.not_radiographs), "other region": len(self.outliers)}


@dataclass(frozen=True)
class Limbs:
    """Known images as seen by one expert: inputs (N, D) and the fold (N,) of each image.

    copies: (M, D) inputs of changed copies. owner: (M,) row of the original of each copy.
    """

    inputs: Floats
    copies: Floats
    owner: npt.NDArray[np.int64]
    fold: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class LearnedHead:
    """A fitted head and the out-of-fold shares (N,) of the known images.

    A share is a score on the scale from the median of the known images (0) to the limit (1).
    """

    head: OutlierHead
    shares: Floats


def inputs_of(outputs: Sequence[ExpertOutput], width: int) -> Floats:
    """Return the inputs (N, D) from one expert's outputs on N images; (0, 0) without images."""
    rows = [outlier_inputs(o.features, o.body_part, width) for o in outputs]
    return np.stack(rows) if rows else np.zeros((0, 0))


def fit_outliers(limbs: Limbs, others: Classes) -> LearnedHead | None:
    """Fit the head that separates limbs from each class in `others`, arrays (N, D).

    Its limit is the conformal quantile of out-of-fold log-odds that one known image in two hundred
    exceeds. Classes with fewer than 20 examples are left out. None without any class.
    """
    classes = [o for o in others if len(o) >= MIN_EXAMPLES]
    if not classes:
        return None
    odds = np.zeros(len(limbs.inputs))
    for part in np.unique(limbs.fold % _FOLDS):
        held = limbs.fold % _FOLDS == part
        if held.all():
            continue
        known = np.concatenate([limbs.inputs[~held], limbs.copies[~held[limbs.owner]]])
        odds[held] = OutlierHead(*fit_classes([known, *classes]), 0.0, 1.0).log_odds(
            limbs.inputs[held]
        )
    weights, levels = fit_classes([np.concatenate([limbs.inputs, limbs.copies]), *classes])
    middle, limit = float(np.median(odds)), conformal_limit(odds, REFUSED)
    head = OutlierHead(weights, levels, middle, max(limit, middle + 1e-3))
    return LearnedHead(head, (odds - middle) / (head.limit - middle))


def fit_classes(classes: Classes) -> tuple[Floats, Floats]:
    """Fit weights (K, D) and levels (K,) of K classes, each given by inputs (n_k, D).

    The objective is N / K times the sum over classes of their mean cross-entropy, N the number of
    all inputs, plus D / (2 * _SPREAD) times the squared weights of standardised inputs.
    """
    x = np.concatenate(classes)
    n, k, d = len(x), len(classes), x.shape[1]
    label = np.repeat(np.arange(k), [len(c) for c in classes])
    share = np.concatenate([np.full(len(c), n / (k * len(c))) for c in classes])
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    z = (x - mean) / scale
    ridge = d / _SPREAD

    def loss(flat: Floats) -> tuple[float, Floats]:
        both = flat.reshape(k, d + 1)
        logits = z @ both[:, :d].T + both[:, d]
        logp = special.log_softmax(logits, axis=1)
        away = share[:, None] * np.exp(logp)
        away[np.arange(n), label] -= share
        slope = np.concatenate(
            [away.T @ z + ridge * both[:, :d], away.sum(axis=0)[:, None]], axis=1
        )
        value = -(share @ logp[np.arange(n), label]) + ridge / 2 * (both[:, :d] ** 2).sum()
        return float(value), slope.ravel()

    start = np.zeros(k * (d + 1))
    result = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    both = result.x.reshape(k, d + 1)
    weights = both[:, :d] / scale
    return weights, both[:, d] - weights @ mean
