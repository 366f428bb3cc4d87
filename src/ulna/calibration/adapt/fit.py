"""What a few labelled images of a hospital say of a bundle: two numbers, and its heads moved.

Recalibration has two numbers for all body parts together, a scale and an offset of the bundle's
calibrated logit, drawn to 1 and 0: twenty images say no more. Fine-tuning adds to every expert's
abnormal head a change that its frozen features pay for, drawn to no change: logistic regression
with the expert's own logit as offset and a ridge penalty, so one best answer and no learning rate
(the maximum a posteriori of a Gaussian process with a linear kernel: Rasmussen and Williams 2006,
Gaussian Processes for Machine Learning, algorithm 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt

from ulna.calibration.adapt.images import HospitalImages
from ulna.calibration.fusion_fit import fit_hospital, start_fit
from ulna.calibration.part_scores import Floats
from ulna.config.bounds import Bounds, check_fields
from ulna.metrics.logistic import sigmoid

# Standard deviation of the prior on the offset that comes with a change of a head, in logits.
_OFFSET_SPREAD = 2.0
_FOLDS = 10
_STEPS = 100
_TOLERANCE = 1e-10


@dataclass(frozen=True)
class HeadPlan:
    """How far heads may move.

    freedom: standard deviation, in logits, by which the prior lets a typical image's logit move.
    """

    freedom: Annotated[float, Bounds(0.01, 100)] = 1.0

    def __post_init__(self) -> None:
        check_fields(self, "fine-tuning")


@dataclass(frozen=True)
class Shift:
    """The recalibrated logit is (logit + offset) / scale; no other noun goes for all body parts."""

    scale: float
    offset: float

    def of(self, logit: Floats) -> Floats:
        """Recalibrated logits."""
        return (logit + self.offset) / self.scale


@dataclass(frozen=True)
class HeadChange:
    """What is added to an expert's logit: looked @ weight + bias, looked (C,) read by its head."""

    weight: Floats
    bias: float

    def of(self, attended: Floats) -> Floats:
        """(I,) for (I, C)."""
        return np.asarray(attended @ self.weight + self.bias)


def fit_shift(images: HospitalImages, logit: Floats) -> Shift:
    """The scale and offset of (I,) logits under which the labels of the studies are likeliest.

    With normal priors on the logarithm of the scale (deviation 0.4) and on offset over scale (2).
    """
    result = fit_hospital(images.scores(logit), start_fit(np.ones(1)))
    return Shift(result.temperature, result.offset)


def fit_change(images: HospitalImages, expert: int, plan: HeadPlan) -> HeadChange:
    """The change of an expert's head that the labels of the images pay for.

    Features are centred and scaled by one number, so that those that hardly vary among few images
    stay unimportant. A unit of the change is one of the expert's logit, recalibrated on the images
    by itself.
    """
    own = images.experts[expert]
    shift, attended = fit_shift(images, own), images.attended[expert]
    mean = attended.mean(axis=0)
    x = attended - mean
    size = float(np.sqrt((x**2).sum(axis=1).mean()))
    if size < 1e-12:  # nothing that could tell the images apart
        return HeadChange(np.zeros(len(mean)), 0.0)
    x = x / size
    kernel = plan.freedom**2 * (x @ x.T)
    alpha = _mode(kernel + _OFFSET_SPREAD**2, shift.of(own), images.label)
    weight = shift.scale * plan.freedom**2 * (alpha @ x) / size
    return HeadChange(weight, -float(weight @ mean))


def _mode(kernel: Floats, base: Floats, label: npt.NDArray[np.bool_]) -> Floats:
    """(I,) a such that f = base + kernel @ a maximises log p(labels | f) - f' K^-1 f / 2.

    Newton's steps, halved where they would not climb.
    """
    target = label.astype(np.float64)
    a = np.zeros(len(base))

    def objective(a: Floats) -> float:
        f = base + kernel @ a
        return float(np.logaddexp(0, np.where(label, -f, f)).sum() + 0.5 * a @ kernel @ a)

    value = objective(a)
    for _ in range(_STEPS):
        p = sigmoid(base + kernel @ a)
        w = np.maximum(p * (1 - p), 1e-12)
        root = np.sqrt(w)
        b = w * (kernel @ a) + target - p
        inner = np.eye(len(a)) + root[:, None] * kernel * root
        step = b - root * np.linalg.solve(inner, root * (kernel @ b)) - a
        while (better := objective(a + step)) > value and np.abs(step).max() > _TOLERANCE:
            step = step / 2
        if np.abs(step).max() <= _TOLERANCE:
            break
        a, value = a + step, better
    return a


def fit_changes(images: HospitalImages, plan: HeadPlan) -> tuple[HeadChange, ...]:
    """The change of every expert's head."""
    return tuple(fit_change(images, e, plan) for e in range(len(images.attended)))


def changed_logit(images: HospitalImages, changes: tuple[HeadChange, ...]) -> Floats:
    """(I,) the bundle's logit, by its own calibration, with the heads changed."""
    added = np.array([c.of(x) for c, x in zip(changes, images.attended, strict=True)])
    return np.asarray(images.logit + (images.gain.T * added).sum(axis=0))


def cross_fitted_logit(images: HospitalImages, plan: HeadPlan) -> Floats:
    """(I,) what changed heads say of each image that they have not learned from, by patient.

    Patients are dealt to at most ten folds, normal and abnormal ones in turn.
    """
    fold = _folds(images)
    result = np.empty(len(images.logit))
    for k in np.unique(fold):
        held = fold == k
        changes = fit_changes(images.of(~held), plan)
        result[held[images.study]] = changed_logit(images.of(held), changes)
    return result


def _folds(images: HospitalImages) -> npt.NDArray[np.int64]:
    """(N,) the fold of each study."""
    patients, index = np.unique(images.patient, return_inverse=True)
    ill = np.zeros(len(patients), np.bool_)
    np.logical_or.at(ill, index, images.abnormal)
    order = np.argsort(ill, kind="stable")
    fold = np.empty(len(patients), np.int64)
    fold[order] = np.arange(len(patients)) % min(_FOLDS, len(patients))
    return fold[index]
