"""Whatever paths are given -> studies: images, DICOM objects, folders, tables; no labels needed."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ulna.datasets.dicom_objects import (
    Alone,
    DicomObject,
    group_objects,
    read_objects,
    tell_region,
)
from ulna.datasets.labelled_data import index_labelled, labelled_kind
from ulna.datasets.left_out import LeftOut
from ulna.datasets.places import Place, once, studies_of, unique_keys, without_doubles
from ulna.datasets.readable import IMAGE_ENDINGS, NO_IMAGE, image_files
from ulna.datasets.walk import walk_files
from ulna.dicom.body_part import region_remarks
from ulna.dicom.signature import has_preamble, is_dicom_file
from ulna.errors import DatasetError, ImageError
from ulna.types import ImageRef, Study

_DICOM_ENDINGS = (".dcm", ".dicom", ".ima")

_Result = Study | DicomObject | Place


def index_given(paths: Sequence[Path]) -> list[Study]:
    """The studies at `paths`, in their order, each with a key of its own.

    DICOM objects belong with the others of their Study Instance UID, patient and body part,
    wherever they are given; an object without a UID or with a damaged header, and every other
    file, is a study of its own. A table, a phantom folder or MURA holds the studies it says. In
    any other folder the pictures of each folder are the views of one study, beside its DICOM
    objects. What is given twice, by path or by link, is one view: so are copies of a DICOM object
    and byte-identical pictures of one study. Pictures given by their names are studies each.

    One DatasetWarning with counts for all that is left out or used with a remark. Raises
    DatasetError for a table or folder that cannot be used, ImageError where nothing is there;
    where something is, a path that is missing is a study whose reading says so.
    """
    if not any(os.path.exists(path) for path in paths):
        missing = paths[0] if paths else "no path"
        raise ImageError(f"{missing}: no such file or folder: expected an image, DICOM or folder")
    if len(paths) == 1 and (kind := labelled_kind(paths[0])):
        return index_labelled(paths[0], kind)
    left = LeftOut(paths[0] if len(paths) == 1 and os.path.isdir(paths[0]) else None)
    result = [f for path in paths for f in _of_path(path, left)]
    studies = _studies(result, left)
    if not studies:
        raise _no_images(paths, left)
    left.warn(paths[0] if len(paths) == 1 else f"{len(paths)} paths")
    return studies


def index_images(folder: Path | str) -> list[Study]:
    """The images in a folder and those below it, without labels: DICOM objects and pictures.

    As `index_given` of that folder, which may be of any kind.
    """
    root = Path(folder)
    if not os.path.isdir(root):
        raise DatasetError(f"{root}: no such folder: expected one with images")
    left = LeftOut(root)
    studies = _studies(_of_folder(root, left), left)
    if not studies:
        raise _no_images([root], left)
    left.warn(root)
    return studies


def _no_images(paths: Sequence[Path], left: LeftOut) -> DatasetError:
    return DatasetError(
        f"{', '.join(map(str, paths[:3]))}: holds no images: expected files in PNG, JPEG or TIFF "
        f"({', '.join(IMAGE_ENDINGS)}), DICOM objects that are radiographs, or a data "
        f"folder\n{left}".rstrip()
    )


def _of_path(path: Path, left: LeftOut) -> list[_Result]:
    if kind := labelled_kind(path):
        return list(index_labelled(path, kind))
    if os.path.isdir(path):
        result = _of_folder(path, left)
        if not result:
            left.add("folders without an image", path)
        return result
    if is_dicom_file(path):
        objects, alone = read_objects([path], left, any_modality=True)
        return [*objects, *_alone(alone, left)]
    return [Place(path, (ImageRef(path),))]


def _of_folder(folder: Path, left: LeftOut) -> list[_Result]:
    images = image_files(walk_files(folder, left), left)
    objects, alone = read_objects(images.objects, left)
    own = []
    for path, header in alone:
        if header or _meant_as_dicom(path):
            own.append((path, header))
        else:
            left.add(NO_IMAGE, path)
    groups: dict[Path, list[ImageRef]] = defaultdict(list)
    for path in images.pictures:
        groups[path.parent].append(ImageRef(path))
    places = [once(Place(place, tuple(refs)), left) for place, refs in groups.items()]
    return [*objects, *_alone(own, left), *places]


def _meant_as_dicom(path: Path) -> bool:
    """Two bytes alone make many a file look like an object without a preamble."""
    return has_preamble(path) or path.suffix.lower() in _DICOM_ENDINGS


def _alone(objects: Sequence[Alone], left: LeftOut) -> list[Place]:
    """Studies of their own: of a damaged one, its reading will say what is wrong."""
    places = []
    for path, header in objects:
        if header is None:
            places.append(Place(path, (ImageRef(path),)))
            continue
        left.remark("without a Study Instance UID (0020,000D), each a study of its own", path)
        tell_region(path, header, left)
        ref = ImageRef(path, header.view, header.laterality)
        remarks = region_remarks([header.other_region])
        places.append(Place(path, (ref,), header.body_part, remarks))
    return places


def _studies(result: Sequence[_Result], left: LeftOut) -> list[Study]:
    """Objects grouped and places named; each set of images is one study, each key one study's."""
    grouped = group_objects([f for f in result if isinstance(f, DicomObject)], left)
    joined = [grouped.get(f) if isinstance(f, DicomObject) else f for f in result]
    kept = without_doubles([f for f in joined if f is not None], left)  # None: not a study's first
    named = iter(studies_of([k for k in kept if isinstance(k, Place)]))
    return unique_keys(k if isinstance(k, Study) else next(named) for k in kept)
