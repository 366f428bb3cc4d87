"""Films and patients that stand in two data sets, so that none teaches and examines at once."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ulna.types import Study


class Overlap:
    """What other data share with `studies`: files, whatever links lead to them, and patients.

    A table of sources puts the name of its source before the ids of its patients; the same table
    read by itself does not. So ids are compared without it, unless both are of several sources.
    """

    def __init__(self, studies: Iterable[Study]) -> None:
        self._files: set[str] = set()
        self._patients: dict[str, set[str]] = {}
        for study in studies:
            self._files |= _files(study)
            self._patients.setdefault(_patient(study), set()).add(study.source)

    def films(self, study: Study) -> set[str]:
        """Real paths of the films of `study` that are among them."""
        return _files(study) & self._files

    def patient(self, study: Study) -> bool:
        """Whether the patient of `study` is among them, as far as ids say."""
        sources = self._patients.get(_patient(study), set())
        return bool(sources) and (not study.source or bool(sources & {"", study.source}))


def _files(study: Study) -> set[str]:
    return {os.path.realpath(image.path) for image in study.images}


def _patient(study: Study) -> str:
    return study.patient_id.removeprefix(f"{study.source}.") if study.source else study.patient_id
