"""The parity gate of a student: it and its teacher on the same held-out studies, side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ulna.bundle.distilled import Pair, StudentParity
from ulna.datasets.left_out import LeftOut
from ulna.errors import ConfigError, UlnaError, message_of
from ulna.evaluation.collect import row_of_outputs
from ulna.evaluation.rows import StudyRow
from ulna.evaluation.scores import Resampling, share, study_sample
from ulna.imaging.geometry import area_matrix
from ulna.metrics.bootstrap import bootstrap_intervals, difference_of
from ulna.metrics.inputs import Floats
from ulna.metrics.maps import rank_correlation
from ulna.metrics.ranking import weighted_auroc
from ulna.types import Array, Study

if TYPE_CHECKING:
    from ulna.runtime import Predictor

Progress = Callable[[int, int], None]
Timed = tuple[StudyRow, float]
# Of fewer, no AUROC says anything.
MIN_STUDIES = 20


@dataclass(frozen=True)
class SideBySide:
    """What both said of the same studies, and how long each took for an image, in seconds."""

    teacher: list[StudyRow]
    student: list[StudyRow]
    seconds: list[Pair]


@dataclass(frozen=True, eq=False)
class PairedAnswers:
    """Of N studies: the truth, both probabilities, and both decisions at an operating point."""

    patients: list[str]
    abnormal: npt.NDArray[np.bool_]
    probabilities: tuple[Floats, Floats]
    decisions: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]


def compare_student(
    teacher: Predictor,
    student: Predictor,
    studies: Sequence[Study],
    images: str,
    how: Resampling | None = None,
    progress: Progress | None = None,
) -> StudentParity:
    """The gate's figures of `student` on labelled studies that neither has learned from.

    Both at their own operating points, in turn for each study, so that a machine that is busy for
    a while is so for both. images: which studies these are, in words. Studies that one of the two
    cannot answer do not count. progress(done, all). Raises ConfigError for fewer than 20 answered
    studies or only one class among them.
    """
    result = side_by_side(teacher, student, studies, progress)
    sample = [study_sample(rows) for rows in (result.teacher, result.student)]
    paired = PairedAnswers(
        sample[0].patients,
        sample[0].abnormal,
        (sample[0].probability, sample[1].probability),
        tuple(np.asarray(s.decision, np.bool_) for s in sample),  # type: ignore[arg-type]
    )
    return parity_of(paired, result, student, images, how)


def side_by_side(
    teacher: Predictor,
    student: Predictor,
    studies: Sequence[Study],
    progress: Progress | None = None,
) -> SideBySide:
    """Both asked about every study, in turn the one and the other first, since whoever comes
    second finds the file in memory. What either cannot answer is left out (DatasetWarning)."""
    result, unanswered = SideBySide([], [], []), LeftOut()
    for done, study in enumerate(studies, start=1):
        try:
            if not result.seconds:  # the first run of an engine sets it up
                teacher.outputs(study), student.outputs(study)
            (one, t), (other, s) = _both(teacher, student, study, student_first=done % 2 == 0)
        except (UlnaError, MemoryError) as error:
            unanswered.add("without an answer of student or teacher", study.key, message_of(error))
            continue
        finally:
            if progress is not None:
                progress(done, len(studies))
        result.teacher.append(one)
        result.student.append(other)
        result.seconds.append((t, s))
    unanswered.warn(f"student and teacher: of {len(studies)} studies")
    return result


def _both(
    teacher: Predictor, student: Predictor, study: Study, student_first: bool
) -> tuple[Timed, Timed]:
    """Teacher and student in this order, whoever was asked first."""
    if student_first:
        second = _timed(student, study)
        return _timed(teacher, study), second
    return _timed(teacher, study), _timed(student, study)


def _timed(predictor: Predictor, study: Study) -> Timed:
    """The study's row, and the seconds for one of its images: reading and all graphs."""
    began = time.perf_counter()
    outputs = predictor.outputs(study)
    seconds = (time.perf_counter() - began) / len(outputs.images)
    return row_of_outputs(predictor, outputs, predictor.manifest.operating_point), seconds


def parity_of(
    paired: PairedAnswers,
    result: SideBySide,
    student: Predictor,
    images: str,
    how: Resampling | None = None,
) -> StudentParity:
    """The figures of paired answers; `found`: of the same or some of the studies, for maps, speed.

    Raises ConfigError as `compare_student`.
    """
    n, n_abnormal = len(paired.abnormal), int(paired.abnormal.sum())
    if n < MIN_STUDIES or n_abnormal in (0, n) or not result.seconds:
        raise ConfigError(
            f"{n} held-out studies that student and teacher answered, {n_abnormal} of them "
            f"abnormal: expected at least {MIN_STUDIES}, of both classes: hold out more, or give "
            "other images with --gate"
        )
    how = how or Resampling()
    one, other = (partial(weighted_auroc, paired.abnormal, p) for p in paired.probabilities)
    difference = bootstrap_intervals(
        paired.patients, {"auroc": difference_of(other, one)}, how.draws, how.seed
    )["auroc"]
    same = (paired.decisions[0] == paired.decisions[1]).astype(float)
    agreement = share(paired.patients, list(same), how)
    everyone = np.ones((1, n))
    return StudentParity(
        images=images,
        n_studies=n,
        n_patients=len(set(paired.patients)),
        auroc=(float(one(everyone)[0]), float(other(everyone)[0])),
        difference=(difference.value, difference.low, difference.high),
        agreement=(agreement.value, agreement.low, agreement.high),
        maps=map_agreement(result.teacher, result.student),
        pointing=_pointing(result.teacher, result.student),
        seconds=_medians(result.seconds),
        engine=str(replace(student.engine, threads=0)),
        size=bundle_bytes(student.bundle.path),
    )


def bundle_bytes(folder: Path) -> int:
    """What all files of a bundle's folder weigh together."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


def _medians(seconds: Sequence[Pair]) -> Pair:
    return statistics.median(s[0] for s in seconds), statistics.median(s[1] for s in seconds)


def map_agreement(one: Sequence[StudyRow], other: Sequence[StudyRow]) -> float | None:
    """Mean rank correlation (Spearman's) of both maps of each image, on the coarser grid.

    one: the teacher's; an image whose map is the same everywhere ranks nothing and does not count.
    None without any other.
    """
    result = []
    for r, s in zip(one, other, strict=True):
        for a, b in zip(r.images, s.images, strict=True):
            side = (min(a.grid.shape[0], b.grid.shape[0]), min(a.grid.shape[1], b.grid.shape[1]))
            wanted = _on(a.grid, side)
            if np.ptp(wanted) > 0:
                result.append(rank_correlation(wanted, _on(b.grid, side)))
    return float(np.mean(result)) if result else None


def _on(grid: Array, side: tuple[int, int]) -> Floats:
    """A map over the same square in cells of the same mean."""
    rows, columns = area_matrix(grid.shape[0], side[0]), area_matrix(grid.shape[1], side[1])
    return np.asarray(rows @ grid.astype(np.float64) @ columns.T)


def _pointing(one: Sequence[StudyRow], other: Sequence[StudyRow]) -> Pair | None:
    hits = [
        (a.location.pointing, b.location.pointing)
        for r, s in zip(one, other, strict=True)
        for a, b in zip(r.images, s.images, strict=True)
        if a.location is not None and b.location is not None
    ]
    if not hits:
        return None
    return float(np.mean([h[0] for h in hits])), float(np.mean([h[1] for h in hits]))
