"""Where a run's studies come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ulna.types import Study


@dataclass(frozen=True)
class Teaching:
    """What a student's run is taught by.

    answers: the folder that `ask_teacher` gave, of the training images and those of `beside`:
    studies without labels, which teach by these answers alone.
    """

    answers: Path
    beside: tuple[Study, ...] = ()


@dataclass(frozen=True)
class DataSource:
    """kind: 'phantom', 'mura', 'table' or 'dicom'. name: of the data set, for the record.

    cache: folder of decoded images that several runs share, None for the run's own. cached:
    the studies that a shared cache holds, those of every run that shares it. teaching: of a
    student, whose recipe weighs what it learns from a teacher.
    """

    kind: str
    name: str = ""
    cache: Path | None = None
    cached: Sequence[Study] = ()
    teaching: Teaching | None = None
