"""`ulna audit`: from the prototype's figure to the correct one, one correction at a time.

The prototype took the first 1,000 images of each region, resized them to 224 px, dealt images (not
patients) to training and test at random, learned which *region* an image shows, and reported the
best accuracy on the test images during training. Its pooled model of normal and abnormal was made
in the same way. Each step here corrects one of these errors and keeps the rest. The share of an
error depends on the order of the corrections, which is the order of the list.
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
from ulna.models.threads import limit_torch_threads
from ulna.training.audit.fit import FitSettings, Floats, Task, fit_classifier
from ulna.training.audit.images import (
    AuditImages,
    Indices,
    first_images,
    split_by_image,
    split_by_patient,
)
from ulna.training.audit.steps import Answers, AuditResult, AuditStep, interval, score_answers
from ulna.training.precision import best_precision
from ulna.types import Study

Progress = Callable[[str, int, int], None]


class _Step(NamedTuple):
    """A step without its interval: its name, the error it corrects, the unit, the answers."""

    name: str
    taken: str
    unit: str
    result: Answers


@dataclass(frozen=True)
class AuditPlan:
    """Settings of the audit.

    encoder: 'cnn' or a timm model, from random weights. images: of each region at most. size: px.
    test_share: of the images. seed: of splits and weights. precision: as in a recipe.
    """

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
    def fit_settings(self) -> FitSettings:
        """The settings of each of the networks."""
        precision = self.settled().precision
        return FitSettings(self.encoder, self.epochs, self.learning_rate, self.seed, precision)

    def settled(self) -> AuditPlan:
        """Return the plan with 'auto' precision resolved on this machine, for the record."""
        return replace(self, precision=best_precision()) if self.precision == "auto" else self


def audit(studies: Sequence[Study], plan: AuditPlan, progress: Progress) -> AuditResult:
    """Train the prototype's two models and the corrected one; return every step's accuracy.

    studies: all labelled ones of the data, whatever their split. progress(label, done, all). Raises
    DatasetError for data of one region, one class or one patient, ConfigError for an unknown
    encoder.
    """
    limit_torch_threads()
    images = first_images(
        studies, plan.images, plan.size, lambda d, n: progress("read images", d, n)
    )
    steps, kappa = _steps(images, plan, progress)
    return AuditResult(
        steps=_waterfall(steps),
        kappa=kappa,
        n_images=len(images.part),
        n_studies=len(set(images.studies)),
        n_patients=len(set(images.patients)),
        parts=images.parts,
    )


def _steps(images: AuditImages, plan: AuditPlan, progress: Progress) -> tuple[list[_Step], float]:
    """Return every step's answers, and the kappa by study of the last one."""
    loose = split_by_image(len(images.part), plan.test_share, plan.seed)
    strict = split_by_patient(images.patients, plan.test_share, plan.seed)
    _check_sides(images, (loose, strict))
    loose_test, strict_test = loose[1], strict[1]

    def fit(label: str, target: Indices, classes: int, sides: tuple[Indices, Indices]) -> Floats:
        task = Task(images.pixels, target, classes, *sides)
        return fit_classifier(task, plan.fit_settings, lambda d, n: progress(label, d, n))

    regions = fit("region, split by image", images.part, len(images.parts), loose)
    leaky = fit("abnormal, split by image", images.abnormal, 2, loose)
    clean = fit("abnormal, split by patient", images.abnormal, 2, strict)
    by_study, kappa = _by_study(clean[-1], images, strict_test)
    target = images.abnormal
    return [
        _Step("as the prototype", "", "image", _best(regions, images.part, images, loose_test)),
        _Step("abnormal or not", "wrong target", "image", _best(leaky, target, images, loose_test)),
        _Step(
            "last epoch",
            "selection on the test images",
            "image",
            _score(leaky[-1], target, images, loose_test),
        ),
        _Step(
            "patients apart",
            "leakage between views",
            "image",
            _score(clean[-1], target, images, strict_test),
        ),
        _Step("by study", "image against study", "study", by_study),
    ], kappa


def _check_sides(images: AuditImages, splits: Sequence[tuple[Indices, Indices]]) -> None:
    if any(len(train) < 2 or not len(test) for train, test in splits):
        raise DatasetError(
            f"{len(images.part)} images of {len(set(images.patients))} patients: expected "
            "enough to train on two or more and to test others, with no patient on both sides"
        )


def _waterfall(results: Sequence[_Step]) -> tuple[AuditStep, ...]:
    steps = []
    before: Answers | None = None
    for name, taken, unit, result in results:
        change = interval(result, before) if before else None
        n = len(result.correct)
        steps.append(AuditStep(name, taken, unit, n, result.chance, interval(result), change))
        before = result
    return tuple(steps)


def _score(probability: Floats, target: Indices, images: AuditImages, test: Indices) -> Answers:
    patients = [images.patients[i] for i in test]
    return score_answers(probability.argmax(1).tolist(), target[test].tolist(), patients)


def _best(probability_ENC: Floats, target: Indices, images: AuditImages, test: Indices) -> Answers:
    """Return the answers of the epoch that is best on the very images it is scored on."""
    results = [_score(p, target, images, test) for p in probability_ENC]
    return max(results, key=lambda r: float(r.correct.mean()))


def _by_study(probability: Floats, images: AuditImages, test: Indices) -> tuple[Answers, float]:
    """Return the decisions on the mean probability of a study's images, and their kappa."""
    by_study: dict[str, list[int]] = {}
    for position, i in enumerate(test):
        by_study.setdefault(images.studies[i], []).append(position)
    places = list(by_study.values())
    predicted = [int(probability[p, 1].mean() >= 0.5) for p in places]
    true = [int(images.abnormal[test[p[0]]]) for p in places]
    patients = [images.patients[test[p[0]]] for p in places]
    return score_answers(predicted, true, patients), float(
        cohen_kappa(np.array(true), np.array(predicted))
    )
