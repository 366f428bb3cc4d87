"""Whatever a caller has of one examination -> the views of one study."""

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
class Given:
    """One examination: files named by a study, or radiographs that are in memory already."""

    study: Study
    radiographs: tuple[Radiograph, ...] = ()


def given_study(source: Any, body_part: BodyPart | None, photometric: Photometric) -> Given:
    """The one study that `source` is; see `Reader.predict` for what it may be.

    Raises ConfigError where it is several studies, ImageError and DatasetError where it is none.
    """
    if isinstance(source, Study):
        return Given(_with_part(source, body_part))
    if is_path(source):
        return Given(_one_study([Path(source)], body_part))
    if isinstance(source, Sequence) and not isinstance(source, str) and source:
        if all(is_path(s) for s in source):
            return Given(_one_study([Path(s) for s in source], body_part))
        if all(isinstance(s, Radiograph) or hasattr(s, "shape") for s in source):
            return _of_arrays(list(source), body_part, photometric)
    if isinstance(source, Radiograph) or hasattr(source, "shape"):
        return _of_arrays([source], body_part, photometric)
    raise ConfigError(
        f"{_message(source)}: expected the path of an image or of a folder with the images of one "
        "study, a list of such paths, an array (height, width), a list of arrays, a Radiograph or "
        "a Study"
    )


def is_path(source: object) -> TypeGuard[str | Path]:
    """Whether it is a text or a path."""
    return isinstance(source, str | os.PathLike)


def _of_arrays(
    arrays: Sequence[Any], body_part: BodyPart | None, photometric: Photometric
) -> Given:
    from ulna.imaging.array import radiograph_of_array
    from ulna.runtime.reading import study_of

    images = tuple(
        a
        if isinstance(a, Radiograph)
        else radiograph_of_array(a, photometric, name=_named(k, len(arrays)))
        for k, a in enumerate(arrays)
    )
    return Given(study_of(images, body_part), images)


def _named(k: int, n: int) -> str:
    return "array" if n == 1 else f"array {k}"


def _one_study(paths: Sequence[Path], body_part: BodyPart | None) -> Study:
    """All that lies at `paths` as one study: pictures given by name are its views."""
    from ulna.datasets import index_paths
    from ulna.dicom.signature import is_dicom_file

    result = index_paths(paths)
    if len(result) == 1:
        return _with_part(result[0], body_part)
    if any(os.path.isdir(p) or is_dicom_file(p) for p in paths) or len(result) != len(paths):
        raise ConfigError(
            f"{', '.join(map(str, paths[:3]))}: {len(result)} studies: expected the images of one; "
            "ask about many with Reader.predict_each"
        )
    views: tuple[ImageRef, ...] = tuple(i for s in result for i in s.images)
    return _with_part(replace(result[0], images=views), body_part)


def _with_part(study: Study, body_part: BodyPart | None) -> Study:
    return study if body_part is None else replace(study, body_part=body_part)


def _message(source: object) -> str:
    text = repr(source)
    return f"{type(source).__name__} {text if len(text) < 60 else text[:57] + '...'}"
