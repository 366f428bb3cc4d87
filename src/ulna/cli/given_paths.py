"""From paths on the command line to studies without labels, for `ulna predict`."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ulna.errors import DatasetError, DatasetWarning, DicomError, ImageError

if TYPE_CHECKING:
    from ulna.types import Study

_FILM_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}


def index_paths(paths: Sequence[Path]) -> list[Study]:
    """The studies at `paths`, in their order.

    A DICOM file belongs with the others of its Study Instance UID; any other file, and a DICOM
    file whose header is damaged or has no such UID (DatasetWarning), is a study of its own. A
    folder is what `index_data` takes it for, else the films in it (and in each folder below it)
    are the views of one study. A .csv file is a table. Raises DatasetError, DicomError, ImageError
    for a path that is not there.
    """
    from ulna.dicom.signature import is_dicom_file

    studies: list[Study] = []
    objects: list[Path] = []
    for path in paths:
        if path.is_dir():
            studies += _index_folder(path)
        elif not path.exists():
            raise ImageError(f"{path}: no such file or folder: expected a film, DICOM or folder")
        elif path.suffix.lower() == ".csv":
            from ulna.datasets import index_data

            studies += index_data(path)
        elif is_dicom_file(path):
            objects.append(path)
        else:
            studies.append(_film_study([path], path))
    return studies + (_dicom_studies(objects) if objects else [])


def _index_folder(folder: Path) -> list[Study]:
    from ulna.datasets import data_kind, index_data

    try:
        data_kind(folder)
    except DatasetError:
        return _film_folders(folder)
    return index_data(folder)


def _film_folders(folder: Path) -> list[Study]:
    groups: dict[Path, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        named = path.suffix.lower() in _FILM_SUFFIXES and not path.name.startswith("._")
        if named and not path.is_dir():
            groups[path.parent].append(path)
    if not groups:
        raise DatasetError(
            f"{folder}: holds no films: expected files ending in "
            f"{', '.join(sorted(_FILM_SUFFIXES))}, DICOM objects, or a data folder"
        )
    return [_film_study(films, place) for place, films in groups.items()]


def _film_study(films: Iterable[Path], place: Path) -> Study:
    from ulna.types import ImageRef, Study

    name = place.name if place.is_dir() else place.stem
    return Study(place.parent.name or ".", name, None, tuple(ImageRef(f) for f in films))


def _dicom_studies(objects: Sequence[Path]) -> list[Study]:
    from ulna.dicom.header import read_header
    from ulna.types import ImageRef, Study

    studies: dict[str, Study] = {}
    for path in objects:
        try:
            header = read_header(path)
        except DicomError:  # a study of its own, whose reading will say what is wrong
            studies[str(path)] = _film_study([path], path)
            continue
        uid = header.study_uid
        if not uid:
            warnings.warn(
                f"{path}: no Study Instance UID (0020,000D): taken as a study of its own",
                DatasetWarning,
                stacklevel=3,
            )
            alone = _film_study([path], path)
            studies[str(path)] = replace(alone, body_part=header.body_part)
            continue
        ref = ImageRef(path, header.view, header.laterality)
        key = f"{uid} {header.body_part}"
        if key in studies:
            studies[key] = replace(studies[key], images=(*studies[key].images, ref))
        else:
            patient = header.patient_id or uid
            studies[key] = Study(patient, uid, header.body_part, (ref,))
    return list(studies.values())
