"""What lies outside, learned: linear classes of limbs, pictures that are no images, other regions.

Multinomial logistic regression on standardised inputs, all classes of one weight, with a ridge
whose spread of logits does not depend on the number of inputs.
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
# Fewer examples of a class say nothing about it.
MIN_EXAMPLES = 20
# Variance of a logit under the prior, whatever the number of inputs.
_SPREAD = 70.0
_FOLDS = 5


@dataclass(frozen=True)
class OutlierExamples:
    """What the experts say of images without a limb of the upper extremity.

    not_radiographs: pictures that are none. outliers: images of other regions.
    """

    not_radiographs: Sequence[ImageOutputs] = ()
    outliers: Sequence[ImageOutputs] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Their numbers, by kind."""
        return {"not a radiograph": len(self.not_radiographs), "other region": len(self.outliers)}


@dataclass(frozen=True)
class Limbs:
    """The known images of one expert: (N, D) inputs, those of changed copies, and whose they are.

    copies: (M, D); owner: (M,) row of the image that each is made of.
    """

    inputs: Floats
    copies: Floats
    owner: npt.NDArray[np.int64]
    fold: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class LearnedHead:
    """A head, and (N,) how far its known images are: 0 the median, 1 at its limit.

    Each image's share comes from a fit without its own part of the patients.
    """

    head: OutlierHead
    shares: Floats


def inputs_of(message: Sequence[ExpertOutput], width: int) -> Floats:
    """(N, D) of what one expert says of N images; (0, 0) of none."""
    rows = [outlier_inputs(s.features, s.body_part, width) for s in message]
    return np.stack(rows) if rows else np.zeros((0, 0))


def fit_outliers(limbs: Limbs, others: Classes) -> LearnedHead | None:
    """The head that tells limbs from each class in `others` (N, D); small classes are left out.

    Its limit is the conformal quantile that one known image in two hundred exceeds, of log-odds
    that each image has from a fit without its own part of the patients. None without classes.
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
    """((K, D) weights, (K,) levels) of K classes of (N, D) inputs each.

    Minimised: sum over classes of their mean cross-entropy times N / K of all N, plus the squared
    weights of standardised inputs over 2 * _SPREAD / D.
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
