"""The gate of a student: figures of student and teacher on the same held-out studies."""

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
# Fewer studies do not determine an AUROC.
MIN_STUDIES = 20


@dataclass(frozen=True)
class SideBySide:
    """Answers of both to the same studies. seconds: (teacher, student) per image."""

    teacher: list[StudyRow]
    student: list[StudyRow]
    seconds: list[Pair]


@dataclass(frozen=True, eq=False)
class PairedAnswers:
    """Labels, probabilities (teacher's, student's) and decisions of N studies."""

    patients: list[str]
    abnormal: npt.NDArray[np.bool_]
    probabilities: tuple[Floats, Floats]
    decisions: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]


def compare_student(
    teacher: Predictor,
    student: Predictor,
    studies: Sequence[Study],
    images: str,
    resampling: Resampling | None = None,
    progress: Progress | None = None,
) -> StudentParity:
    """Compute the gate's figures of `student` on labelled studies that neither has learned from.

    Both answer each study at their own operating points, one directly after the other, so that load
    of the machine affects the times of both. images: description of the studies. Studies that one
    of the two cannot answer are not counted. progress(done, total) counts studies. Raises
    ConfigError for fewer than 20 answered studies or only one class among them.
    """
    answers = side_by_side(teacher, student, studies, progress)
    sample = [study_sample(rows) for rows in (answers.teacher, answers.student)]
    paired = PairedAnswers(
        sample[0].patients,
        sample[0].abnormal,
        (sample[0].probability, sample[1].probability),
        tuple(np.asarray(s.decision, np.bool_) for s in sample),  # type: ignore[arg-type]
    )
    return parity_of(paired, answers, student, images, resampling)


def side_by_side(
    teacher: Predictor,
    student: Predictor,
    studies: Sequence[Study],
    progress: Progress | None = None,
) -> SideBySide:
    """Answer every study by both. Studies that either cannot answer are left out (DatasetWarning).

    Teacher and student take turns to be first, since the second finds the file in memory.
    """
    answers, unanswered = SideBySide([], [], []), LeftOut()
    for done, study in enumerate(studies, start=1):
        try:
            if not answers.seconds:  # the first run of an engine sets it up
                teacher.outputs(study), student.outputs(study)
            (one, t), (other, s) = _both(teacher, student, study, student_first=done % 2 == 0)
        except (UlnaError, MemoryError) as error:
            unanswered.add("without an answer of student or teacher", study.key, message_of(error))
            continue
        finally:
            if progress is not None:
                progress(done, len(studies))
        answers.teacher.append(one)
        answers.student.append(other)
        answers.seconds.append((t, s))
    unanswered.warn(f"student and teacher: of {len(studies)} studies")
    return answers


def _both(
    teacher: Predictor, student: Predictor, study: Study, student_first: bool
) -> tuple[Timed, Timed]:
    """Return the answers of teacher and student, in this order whoever was first."""
    if student_first:
        second = _timed(student, study)
        return _timed(teacher, study), second
    return _timed(teacher, study), _timed(student, study)


def _timed(predictor: Predictor, study: Study) -> Timed:
    """Return the study's row, and the seconds per image for reading and all graphs."""
    began = time.perf_counter()
    outputs = predictor.outputs(study)
    seconds = (time.perf_counter() - began) / len(outputs.images)
    return row_of_outputs(predictor, outputs, predictor.manifest.operating_point), seconds


def parity_of(
    paired: PairedAnswers,
    answers: SideBySide,
    student: Predictor,
    images: str,
    resampling: Resampling | None = None,
) -> StudentParity:
    """Compute the gate's figures from paired answers.

    answers: to the same studies or some of them, for the figures of maps and time. Raises
    ConfigError as `compare_student`.
    """
    n, n_abnormal = len(paired.abnormal), int(paired.abnormal.sum())
    if n < MIN_STUDIES or n_abnormal in (0, n) or not answers.seconds:
        raise ConfigError(
            f"{n} held-out studies that student and teacher answered, {n_abnormal} of them "
            f"abnormal: expected at least {MIN_STUDIES}, of both classes: hold out more, or give "
            "other images with --gate"
        )
    resampling = resampling or Resampling()
    one, other = (partial(weighted_auroc, paired.abnormal, p) for p in paired.probabilities)
    difference = bootstrap_intervals(
        paired.patients, {"auroc": difference_of(other, one)}, resampling.draws, resampling.seed
    )["auroc"]
    same = (paired.decisions[0] == paired.decisions[1]).astype(float)
    agreement = share(paired.patients, list(same), resampling)
    everyone = np.ones((1, n))
    return StudentParity(
        images=images,
        n_studies=n,
        n_patients=len(set(paired.patients)),
        auroc=(float(one(everyone)[0]), float(other(everyone)[0])),
        difference=(difference.value, difference.low, difference.high),
        agreement=(agreement.value, agreement.low, agreement.high),
        maps=map_agreement(answers.teacher, answers.student),
        pointing=_pointing(answers.teacher, answers.student),
        seconds=_medians(answers.seconds),
        engine=str(replace(student.engine, threads=0)),
        size=bundle_bytes(student.bundle.path),
    )


def bundle_bytes(folder: Path) -> int:
    """Return the total size of the files in a bundle's folder."""
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


def _medians(seconds: Sequence[Pair]) -> Pair:
    return statistics.median(s[0] for s in seconds), statistics.median(s[1] for s in seconds)


def map_agreement(one: Sequence[StudyRow], other: Sequence[StudyRow]) -> float | None:
    """Return the mean rank correlation (Spearman) of the maps of each image, on the coarser grid.

    one: rows of the teacher. Images for which its map is constant are not counted. None without any
    other image.
    """
    correlations = []
    for r, s in zip(one, other, strict=True):
        for a, b in zip(r.images, s.images, strict=True):
            side = (min(a.grid.shape[0], b.grid.shape[0]), min(a.grid.shape[1], b.grid.shape[1]))
            reference = _on(a.grid, side)
            if np.ptp(reference) > 0:
                correlations.append(rank_correlation(reference, _on(b.grid, side)))
    return float(np.mean(correlations)) if correlations else None


def _on(grid: Array, side: tuple[int, int]) -> Floats:
    """Resample a map to a grid of `side` cells by area averaging."""
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
