"""`ulna audit`: from the prototype's number to the right one, one correction at a time.

The prototype took the first 1,000 images of each region, squashed them to 224 px, dealt images
(not patients) to training and test at random, learned which *region* an image shows, and told the
best accuracy seen on the test images while it trained. Its pooled model of normal and abnormal
was made in the same way. Each step here puts one of these right and keeps the rest; the share of a
cause depends on the order they are taken in, which is the order of the list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import numpy as np

from ulna.config.bounds import Bounds, OpenShare, Seed, check_fields
from ulna.config.recipe import Precision
from ulna.errors import DatasetError
from ulna.metrics.decisions import cohen_kappa
from ulna.models.threads import within_the_machine
from ulna.training.audit.fit import Fitting, Floats, Task, fit_watched
from ulna.training.audit.images import (
    AuditImages,
    Indices,
    first_images,
    split_by_image,
    split_by_patient,
)
from ulna.training.audit.steps import AuditResult, AuditStep, Judged, interval, judged
from ulna.training.precision import best_precision
from ulna.types import Study

Progress = Callable[[str, int, int], None]


class _Bar(NamedTuple):
    """A step before its interval: its name, what it puts right, what is counted, the answers."""

    name: str
    taken: str
    unit: str
    result: Judged


@dataclass(frozen=True)
class AuditPlan:
    """encoder: 'cnn' or a timm model, from random weights. images: of each region at most.
    size: px. test_share: of the images. seed: of splits and weights. precision: as in a recipe."""

    encoder: str = "cnn"
    epochs: Annotated[int, Bounds(2, 1_000_000)] = 10
    images: Annotated[int, Bounds(4, 10_000_000)] = 1000
    size: Annotated[int, Bounds(32, 2048)] = 224
    learning_rate: Annotated[float, Bounds(0, 1, above=True)] = 2e-3
    test_share: OpenShare = 0.2
    seed: Seed = 0
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        check_fields(self, "audit")

    @property
    def fitting(self) -> Fitting:
        """How each of the networks learns."""
        precision = self.settled().precision
        return Fitting(self.encoder, self.epochs, self.learning_rate, self.seed, precision)

    def settled(self) -> AuditPlan:
        """The plan with the arithmetic that 'auto' means on this machine, for the record."""
        return replace(self, precision=best_precision()) if self.precision == "auto" else self


def audit(studies: Sequence[Study], plan: AuditPlan, progress: Progress) -> AuditResult:
    """Train the prototype's two models and the corrected one on `studies`; every step's accuracy.

    studies: all labelled ones of the data, whatever side they are on. progress(what, done, all).
    Raises DatasetError for data of one region, one class or one patient, ConfigError for an unknown
    encoder.
    """
    within_the_machine()
    images = first_images(
        studies, plan.images, plan.size, lambda d, n: progress("read images", d, n)
    )
    bars, kappa = _bars(images, plan, progress)
    return AuditResult(
        steps=_waterfall(bars),
        kappa=kappa,
        n_images=len(images.part),
        n_studies=len(set(images.studies)),
        n_patients=len(set(images.patients)),
        parts=images.parts,
    )


def _bars(images: AuditImages, plan: AuditPlan, progress: Progress) -> tuple[list[_Bar], float]:
    """What every step's answers were, and the kappa by study of the last."""
    loose = split_by_image(len(images.part), plan.test_share, plan.seed)
    strict = split_by_patient(images.patients, plan.test_share, plan.seed)
    _check_sides(images, (loose, strict))
    watched, apart = loose[1], strict[1]

    def fit(what: str, target: Indices, classes: int, sides: tuple[Indices, Indices]) -> Floats:
        task = Task(images.pixels, target, classes, *sides)
        return fit_watched(task, plan.fitting, lambda d, n: progress(what, d, n))

    regions = fit("region, split by image", images.part, len(images.parts), loose)
    leaky = fit("abnormal, split by image", images.abnormal, 2, loose)
    clean = fit("abnormal, split by patient", images.abnormal, 2, strict)
    by_study, kappa = _by_study(clean[-1], images, apart)
    target = images.abnormal
    return [
        _Bar("as the prototype", "", "image", _best(regions, images.part, images, watched)),
        _Bar("abnormal or not", "wrong target", "image", _best(leaky, target, images, watched)),
        _Bar(
            "last epoch",
            "selection on the test images",
            "image",
            _judge(leaky[-1], target, images, watched),
        ),
        _Bar(
            "patients apart",
            "leakage between views",
            "image",
            _judge(clean[-1], target, images, apart),
        ),
        _Bar("by study", "image against study", "study", by_study),
    ], kappa


def _check_sides(images: AuditImages, splits: Sequence[tuple[Indices, Indices]]) -> None:
    if any(len(train) < 2 or not len(test) for train, test in splits):
        raise DatasetError(
            f"{len(images.part)} images of {len(set(images.patients))} patients: expected "
            "enough to train on two or more and to test others, with no patient on both sides"
        )


def _waterfall(bars: Sequence[_Bar]) -> tuple[AuditStep, ...]:
    steps = []
    before: Judged | None = None
    for name, taken, unit, result in bars:
        change = interval(result, before) if before else None
        n = len(result.correct)
        steps.append(AuditStep(name, taken, unit, n, result.chance, interval(result), change))
        before = result
    return tuple(steps)


def _judge(probability: Floats, target: Indices, images: AuditImages, test: Indices) -> Judged:
    patients = [images.patients[i] for i in test]
    return judged(probability.argmax(1).tolist(), target[test].tolist(), patients)


def _best(probability_ENC: Floats, target: Indices, images: AuditImages, test: Indices) -> Judged:
    """The epoch that looks best on the very images it is told for."""
    result = [_judge(p, target, images, test) for p in probability_ENC]
    return max(result, key=lambda j: float(j.correct.mean()))


def _by_study(probability: Floats, images: AuditImages, test: Indices) -> tuple[Judged, float]:
    """Decisions on the mean probability of a study's images, and their kappa."""
    by_study: dict[str, list[int]] = {}
    for position, i in enumerate(test):
        by_study.setdefault(images.studies[i], []).append(position)
    places = list(by_study.values())
    message = [int(probability[p, 1].mean() >= 0.5) for p in places]
    true = [int(images.abnormal[test[p[0]]]) for p in places]
    patients = [images.patients[test[p[0]]] for p in places]
    return judged(message, true, patients), float(cohen_kappa(np.array(true), np.array(message)))
