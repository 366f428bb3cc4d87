"""Recalibration and fine-tuning of a bundle from a few labelled images of a hospital.

Recalibration fits two numbers for all body parts together: a scale and an offset of the bundle's
calibrated logit, with priors at 1 and 0. Twenty images do not support more. Fine-tuning adds a
change to the abnormal head of every expert, on frozen features: logistic regression with the
expert's own logit as offset and a ridge penalty. It has one optimum and no learning rate (the
maximum a posteriori of a Gaussian process with a linear kernel: Rasmussen and Williams 2006,
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
    """Settings of the fine-tuning of the heads.

    freedom: standard deviation of the prior on the change of a typical image's logit, in logits.
    """

    freedom: Annotated[float, Bounds(0.01, 100)] = 1.0

    def __post_init__(self) -> None:
        check_fields(self, "fine-tuning")


@dataclass(frozen=True)
class Shift:
    """Recalibration of all body parts together: new logit = (logit + offset) / scale."""

    scale: float
    offset: float

    def of(self, logit: Floats) -> Floats:
        """Return the recalibrated logits."""
        return (logit + self.offset) / self.scale


@dataclass(frozen=True)
class HeadChange:
    """Change of an expert's logit, attended @ weight + bias. attended: (C,) inputs of its head."""

    weight: Floats
    bias: float

    def of(self, attended: Floats) -> Floats:
        """Return the changes (I,) of the logits of I images, for `attended` (I, C)."""
        return np.asarray(attended @ self.weight + self.bias)


def fit_shift(images: HospitalImages, logit: Floats) -> Shift:
    """Fit scale and offset of the logits (I,) by maximum a posteriori on the studies' labels.

    Priors are normal: on log(scale), standard deviation 0.4, and on offset / scale, 2.
    """
    fit = fit_hospital(images.scores(logit), start_fit(np.ones(1)))
    return Shift(fit.temperature, fit.offset)


def fit_change(images: HospitalImages, expert: int, plan: HeadPlan) -> HeadChange:
    """Fit the change of the head of one expert (given by its index) to the labels of the images.

    All features are centred and divided by the same number, so that features that hardly vary
    among the few images keep little influence. The prior on the change is stated in units of the
    expert's logit, recalibrated on the same images.
    """
    own = images.experts[expert]
    shift, attended = fit_shift(images, own), images.attended[expert]
    mean = attended.mean(axis=0)
    x = attended - mean
    size = float(np.sqrt((x**2).sum(axis=1).mean()))
    if size < 1e-12:  # all images have the same features
        return HeadChange(np.zeros(len(mean)), 0.0)
    x = x / size
    kernel = plan.freedom**2 * (x @ x.T)
    alpha = _mode(kernel + _OFFSET_SPREAD**2, shift.of(own), images.label)
    weight = shift.scale * plan.freedom**2 * (alpha @ x) / size
    return HeadChange(weight, -float(weight @ mean))


def _mode(kernel: Floats, base: Floats, label: npt.NDArray[np.bool_]) -> Floats:
    """Return a (I,) such that f = base + kernel @ a maximises log p(labels | f) - f' K^-1 f / 2.

    By Newton's method. A step that would not increase the objective is halved.
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
    """Fit the change of every expert's head."""
    return tuple(fit_change(images, e, plan) for e in range(len(images.attended)))


def changed_logit(images: HospitalImages, changes: tuple[HeadChange, ...]) -> Floats:
    """Return the bundle's logits (I,) with the heads changed, under its own calibration."""
    added = np.array([c.of(x) for c, x in zip(changes, images.attended, strict=True)])
    return np.asarray(images.logit + (images.gain.T * added).sum(axis=0))


def cross_fitted_logit(images: HospitalImages, plan: HeadPlan) -> Floats:
    """Return out-of-fold logits (I,): each by heads that were not fitted on the image's patient.

    Patients are assigned to at most ten folds in turn, stratified by normal and abnormal.
    """
    fold = _folds(images)
    logit = np.empty(len(images.logit))
    for k in np.unique(fold):
        held = fold == k
        changes = fit_changes(images.of(~held), plan)
        logit[held[images.study]] = changed_logit(images.of(held), changes)
    return logit


def _folds(images: HospitalImages) -> npt.NDArray[np.int64]:
    """Return the fold (N,) of each study."""
    patients, index = np.unique(images.patient, return_inverse=True)
    abnormal = np.zeros(len(patients), np.bool_)
    np.logical_or.at(abnormal, index, images.abnormal)
    order = np.argsort(abnormal, kind="stable")
    fold = np.empty(len(patients), np.int64)
    fold[order] = np.arange(len(patients)) % min(_FOLDS, len(patients))
    return fold[index]
