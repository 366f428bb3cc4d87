"""A bundle's answers to the same studies, untouched and under every corruption."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ulna.corruptions import CORRUPTIONS, corrupted
from ulna.errors import DatasetError, ImageError, ImageWarning, message_of
from ulna.evaluation.scores import Sample, answers_sample
from ulna.imaging import read_radiograph
from ulna.types import Radiograph, Study, StudyPrediction

if TYPE_CHECKING:
    from ulna.runtime import Predictor

Progress = Callable[[int, int], None]
Condition = tuple[str, int]
"""(corruption, severity); severity 1 and up."""


class NotStressed(ImageWarning):
    """A study was answered, but its images could not be read once more."""


def conditions() -> list[Condition]:
    """Every corruption at every severity, in the order of the suite."""
    return [(c.name, i + 1) for c in CORRUPTIONS.values() for i in range(len(c.amounts))]


@dataclass(frozen=True)
class StressAnswers:
    """Answers to the same studies in the same order, so that differences are paired.

    clean: untouched. corrupted: by condition. n_images: radiographs of the studies. No noun of
    the others holds one study's answers to several versions of its images.
    """

    studies: tuple[Study, ...]
    clean: Sample
    corrupted: dict[Condition, Sample]
    n_images: int


def read_views(study: Study) -> list[Radiograph]:
    """The readable radiographs of `study`, as `Predictor.predict` sees them.

    An unreadable one is left out, as it is there. The body part that a DICOM header names is
    taken off: it is the study's that routes.
    """
    views = []
    for ref in study.images:
        try:
            views.append(replace(read_radiograph(ref.path), body_part=None))
        except ImageError:
            continue
    return views


def answer_stressed(
    predictor: Predictor,
    studies: Sequence[Study],
    operating_point: str,
    seed: int,
    progress: Progress | None = None,
) -> StressAnswers:
    """Ask `predictor` for every study untouched and under every condition.

    studies: labelled, each with a readable radiograph and a body part that the bundle knows or
    none; one whose images cannot be read again is left out (NotStressed). seed: of the
    corruptions' draws. progress(done, all) counts studies. Raises DatasetError where none is left.
    """
    wanted = conditions()
    kept: list[Study] = []
    result: list[list[StudyPrediction]] = []
    n_images = 0
    for done, study in enumerate(studies, start=1):
        try:
            views = read_views(study)
            result.append(_answers(predictor, study, views, operating_point, seed))
            kept.append(study)
            n_images += len(views)
        except (ImageError, MemoryError) as error:
            warnings.warn(
                f"{study.key} not stressed: {message_of(error)}", NotStressed, stacklevel=2
            )
        if progress is not None:
            progress(done, len(studies))
    if not kept:
        raise DatasetError(f"the images of none of {len(studies)} studies can be read any more")
    samples = [answers_sample(kept, [f[k] for f in result]) for k in range(len(wanted) + 1)]
    return StressAnswers(
        tuple(kept), samples[0], dict(zip(wanted, samples[1:], strict=True)), n_images
    )


def _answers(
    predictor: Predictor,
    study: Study,
    views: Sequence[Radiograph],
    operating_point: str,
    seed: int,
) -> list[StudyPrediction]:
    """The untouched answer, then one for each condition. Raises ImageError without any view."""
    if not views:
        raise ImageError("none of its radiographs, which have been answered, can be read any more")
    size = predictor.manifest.input_spec.size

    def ask(name: str, severity: int) -> StudyPrediction:
        changed = [
            corrupted(view, name, severity, size, f"{study.key}/{i}", seed)
            for i, view in enumerate(views)
        ]
        return predictor.predict_radiographs(changed, study.body_part, operating_point)

    clean = predictor.predict_radiographs(views, study.body_part, operating_point)
    return [clean, *(ask(*condition) for condition in conditions())]
