"""Find images and patients that two data sets share, so that none is in training and in test."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

from ulna.types import Study


class Overlap:
    """The files (symbolic links resolved) and patients of `studies`, to compare other data with.

    A table of sources prefixes the ids of patients with the name of their source; the same table
    read by itself does not. Ids are therefore compared without the prefix, unless both studies
    are from a table of sources.
    """

    def __init__(self, studies: Iterable[Study]) -> None:
        self._files: set[str] = set()
        self._patients: dict[str, set[str]] = {}
        for study in studies:
            self._files |= _files(study)
            self._patients.setdefault(_patient(study), set()).add(study.source)

    def images(self, study: Study) -> set[str]:
        """Return the real paths of the images of `study` that these data contain."""
        return _files(study) & self._files

    def patient(self, study: Study) -> bool:
        """Whether these data contain the patient of `study`, judged by ids."""
        sources = self._patients.get(_patient(study), set())
        return bool(sources) and (not study.source or bool(sources & {"", study.source}))


def _files(study: Study) -> set[str]:
    return {os.path.realpath(image.path) for image in study.images}


def _patient(study: Study) -> str:
    return study.patient_id.removeprefix(f"{study.source}.") if study.source else study.patient_id


def keys_among(keys: Collection[str], studies: Iterable[Study]) -> set[str]:
    """Return the keys of `studies` that are among `keys`, which come from another run.

    Either of the two may have been read as one of several sources and the other by itself.
    """
    plain = {key_without_source(k, source_of_key(k)) for k in keys if source_of_key(k)}
    known = set()
    for study in studies:
        bare = (
            study.key in plain
            if not study.source
            else key_without_source(study.key, study.source) in keys
        )
        if study.key in keys or bare:
            known.add(study.key)
    return known


def source_of_key(key: str) -> str:
    """Return the source in a study's key ('PART/source.patient/source.study'), or ''."""
    _, _, ids = key.partition("/")
    name, stop, rest = ids.partition(".")
    return name if stop and f"/{name}." in rest else ""


def key_without_source(key: str, source: str) -> str:
    """Return a study's key as it is where its source is read by itself."""
    return key.replace(f"/{source}.", "/")
