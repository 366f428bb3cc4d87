"""A bundle's answers to the same studies, unchanged and under every corruption."""

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
    """A study was answered, but its images could not be read again."""


def conditions() -> list[Condition]:
    """Return every corruption at every severity, in the order of the suite."""
    return [(c.name, i + 1) for c in CORRUPTIONS.values() for i in range(len(c.amounts))]


@dataclass(frozen=True)
class StressAnswers:
    """Answers to the same studies in the same order, so that differences are paired.

    clean: to the unchanged images. corrupted: by condition. n_images: radiographs of the studies.
    """

    studies: tuple[Study, ...]
    clean: Sample
    corrupted: dict[Condition, Sample]
    n_images: int


def read_views(study: Study) -> list[Radiograph]:
    """Read the radiographs of `study` as `Predictor.predict` does.

    An unreadable one is left out. The body part of a DICOM header is removed, since that of the
    study determines the routing.
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
    """Answer every study by `predictor`, unchanged and under every condition.

    studies: labelled, each with a readable radiograph and a body part that the bundle knows, or
    none. A study whose images cannot be read again is left out (NotStressed). seed: of the
    corruptions' draws. progress(done, total) counts studies. Raises DatasetError where no study is
    left.
    """
    kept: list[Study] = []
    answers: list[list[StudyPrediction]] = []
    n_images = 0
    for done, study in enumerate(studies, start=1):
        try:
            views = read_views(study)
            answers.append(_answers(predictor, study, views, operating_point, seed))
            kept.append(study)
            n_images += len(views)
        except (ImageError, MemoryError) as error:
            warnings.warn(
                f"{study.key} not stressed: {message_of(error)}", NotStressed, stacklevel=2
            )
        if progress is not None:
            progress(done, len(studies))
    if not kept:
        raise DatasetError(
            f"none of {len(studies)} studies has an image that can be read again: expected that "
            "the files stay in place during the stress"
        )
    clean, *changed = (answers_sample(kept, list(own)) for own in zip(*answers, strict=True))
    corrupted = dict(zip(conditions(), changed, strict=True))
    return StressAnswers(tuple(kept), clean, corrupted, n_images)


def _answers(
    predictor: Predictor,
    study: Study,
    views: Sequence[Radiograph],
    operating_point: str,
    seed: int,
) -> list[StudyPrediction]:
    """Return the answer to `views`, then one for each condition. ImageError without views."""
    if not views:
        raise ImageError("none of its radiographs, which have been answered, can be read again")
    size = predictor.manifest.input_spec.size

    def answer(radiographs: Sequence[Radiograph]) -> StudyPrediction:
        return predictor.predict_radiographs(radiographs, study.body_part, operating_point)

    changed = (
        [corrupted(v, *condition, size, f"{study.key}/{i}", seed) for i, v in enumerate(views)]
        for condition in conditions()
    )
    return [answer(views), *map(answer, changed)]
