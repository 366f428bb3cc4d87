"""Conversion of paths, arrays or radiographs to the views of one study."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from ulna.errors import ConfigError
from ulna.types import BodyPart, ImageRef, Radiograph, Study

if TYPE_CHECKING:
    from ulna.imaging.array import Photometric


@dataclass(frozen=True)
class StudyInput:
    """A study, and its radiographs where they are in memory instead of files."""

    study: Study
    radiographs: tuple[Radiograph, ...] = ()


def study_input(source: Any, body_part: BodyPart | None, photometric: Photometric) -> StudyInput:
    """Convert `source`, as described in `Reader.predict`, to one study.

    Raises ConfigError where it is several studies, ImageError and DatasetError where it is none.
    """
    if isinstance(source, Study):
        return StudyInput(_with_part(source, body_part))
    if is_path(source):
        return StudyInput(_one_study([Path(source)], body_part))
    if isinstance(source, Sequence) and not isinstance(source, str) and source:
        if all(is_path(s) for s in source):
            return StudyInput(_one_study([Path(s) for s in source], body_part))
        if all(isinstance(s, Radiograph) or hasattr(s, "shape") for s in source):
            return _of_arrays(list(source), body_part, photometric)
    if isinstance(source, Radiograph) or hasattr(source, "shape"):
        return _of_arrays([source], body_part, photometric)
    raise ConfigError(
        f"{_shown(source)}: expected the path of an image or of a folder with the images of one "
        "study, a list of such paths, an array (height, width), a list of arrays, a Radiograph or "
        "a Study"
    )


def is_path(source: object) -> TypeGuard[str | Path]:
    """Return whether the source is a string or a path."""
    return isinstance(source, str | os.PathLike)


def _of_arrays(
    arrays: Sequence[Any], body_part: BodyPart | None, photometric: Photometric
) -> StudyInput:
    from ulna.imaging.array import radiograph_of_array
    from ulna.runtime.reading import study_of

    images = tuple(
        a
        if isinstance(a, Radiograph)
        else radiograph_of_array(a, photometric, name=_named(k, len(arrays)))
        for k, a in enumerate(arrays)
    )
    return StudyInput(study_of(images, body_part), images)


def _named(k: int, n: int) -> str:
    return "array" if n == 1 else f"array {k}"


def _one_study(paths: Sequence[Path], body_part: BodyPart | None) -> Study:
    """Return all images at `paths` as one study; images named directly are its views."""
    from ulna.datasets import index_paths
    from ulna.dicom.signature import is_dicom_file

    studies = index_paths(paths)
    if len(studies) == 1:
        return _with_part(studies[0], body_part)
    if any(os.path.isdir(p) or is_dicom_file(p) for p in paths) or len(studies) != len(paths):
        raise ConfigError(
            f"{', '.join(map(str, paths[:3]))}: {len(studies)} studies: expected the images of "
            "one; use Reader.predict_each for several"
        )
    views: tuple[ImageRef, ...] = tuple(i for s in studies for i in s.images)
    return _with_part(replace(studies[0], images=views), body_part)


def _with_part(study: Study, body_part: BodyPart | None) -> Study:
    return study if body_part is None else replace(study, body_part=body_part)


def _shown(source: object) -> str:
    text = repr(source)
    return f"{type(source).__name__} {text if len(text) < 60 else text[:57] + '...'}"
