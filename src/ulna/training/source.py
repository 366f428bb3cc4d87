"""The source of a run's studies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ulna.types import Study


@dataclass(frozen=True)
class TeacherData:
    """Training data of a student in addition to its labels.

    answers: the folder from `collect_teacher_answers`, for the training images and those of
    `unlabelled`: studies without labels, which teach by these answers alone.
    """

    answers: Path
    unlabelled: tuple[Study, ...] = ()


@dataclass(frozen=True)
class DataSource:
    """kind: 'phantom', 'mura', 'table' or 'dicom'. name: of the data set, for the record.

    cache: folder of decoded images that several runs share, None for one of the run. cached: the
    studies of all runs that share the cache. teaching: teacher data for a recipe with distillation.
    """

    kind: str
    name: str = ""
    cache: Path | None = None
    cached: Sequence[Study] = ()
    teaching: TeacherData | None = None
