"""Images and patients that stand in two data sets, so that none teaches and examines at once."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

from ulna.types import Study


class Overlap:
    """What other data share with `studies`: files, through symbolic links too, and patients.

    A table of sources puts the name of its source before the ids of its patients; the same table
    read by itself does not. So ids are compared without it, unless both are of several sources.
    """

    def __init__(self, studies: Iterable[Study]) -> None:
        self._files: set[str] = set()
        self._patients: dict[str, set[str]] = {}
        for study in studies:
            self._files |= _files(study)
            self._patients.setdefault(_patient(study), set()).add(study.source)

    def images(self, study: Study) -> set[str]:
        """Real paths of the images of `study` that are among them."""
        return _files(study) & self._files

    def patient(self, study: Study) -> bool:
        """Whether the patient of `study` is among them, as far as ids say."""
        sources = self._patients.get(_patient(study), set())
        return bool(sources) and (not study.source or bool(sources & {"", study.source}))


def _files(study: Study) -> set[str]:
    return {os.path.realpath(image.path) for image in study.images}


def _patient(study: Study) -> str:
    return study.patient_id.removeprefix(f"{study.source}.") if study.source else study.patient_id


def named_in(keys: Collection[str], studies: Iterable[Study]) -> set[str]:
    """Keys of `studies` that stand among `keys`, those of another run.

    Also where one of the two was read as one of several sources and the other by itself.
    """
    plain = {alone(k, source_in(k)) for k in keys if source_in(k)}
    result = set()
    for study in studies:
        bare = study.key in plain if not study.source else alone(study.key, study.source) in keys
        if study.key in keys or bare:
            result.add(study.key)
    return result


def source_in(key: str) -> str:
    """The source that a study's key names ('PART/source.patient/source.study'), or ''."""
    _, _, ids = key.partition("/")
    name, stop, rest = ids.partition(".")
    return name if stop and f"/{name}." in rest else ""


def alone(key: str, source: str) -> str:
    """A study's key as it is where its source is read by itself."""
    return key.replace(f"/{source}.", "/")
