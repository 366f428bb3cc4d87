"""Index any mixture of images, DICOM objects, folders and tables; labels are not needed."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ulna.datasets.dicom_objects import (
    DicomObject,
    UngroupedFile,
    group_objects,
    note_other_region,
    read_objects,
)
from ulna.datasets.image_groups import (
    ImageGroup,
    drop_repeated,
    studies_of,
    unique_keys,
    without_copies,
)
from ulna.datasets.labelled_data import index_labelled, labelled_kind
from ulna.datasets.left_out import LeftOut
from ulna.datasets.readable import IMAGE_ENDINGS, NO_IMAGE, image_files
from ulna.datasets.walk import walk_files
from ulna.dicom.body_part import region_remarks
from ulna.dicom.signature import has_preamble, is_dicom_file
from ulna.errors import DatasetError, ImageError
from ulna.types import ImageRef, Study

_DICOM_ENDINGS = (".dcm", ".dicom", ".ima")

_Item = Study | DicomObject | ImageGroup


def index_paths(paths: Sequence[Path]) -> list[Study]:
    """Return the studies at `paths`, in their order, each with a unique key.

    DICOM objects with the same Study Instance UID, patient and body part are one study, in
    whichever paths they are. An object without a UID or with a damaged header is a study of its
    own, and so is every picture whose file is a path. Tables, phantom folders and MURA give the
    studies that they list. In any other folder, the pictures in one folder are the views of one
    study. An image that occurs twice, by path or by link, is one view; so are copies of a DICOM
    object and byte-identical pictures of one study.

    One DatasetWarning counts all that is left out or used with a remark. Raises DatasetError for
    a table or folder that cannot be used, and ImageError where none of the paths exists. If some
    exist, a missing path is a study whose image cannot be read.
    """
    if not any(os.path.exists(path) for path in paths):
        missing = paths[0] if paths else "no path"
        raise ImageError(f"{missing}: no such file or folder: expected an image, DICOM or folder")
    if len(paths) == 1 and (kind := labelled_kind(paths[0])):
        return index_labelled(paths[0], kind)
    left = LeftOut(paths[0] if len(paths) == 1 and os.path.isdir(paths[0]) else None)
    studies = _studies([item for path in paths for item in _of_path(path, left)], left)
    if not studies:
        raise _no_images(paths, left)
    left.warn(paths[0] if len(paths) == 1 else f"{len(paths)} paths")
    return studies


def index_images(folder: Path | str) -> list[Study]:
    """Return the DICOM objects and pictures in a folder and its subfolders, without labels.

    They are grouped as in `index_paths`, also where the folder is MURA or phantoms. Raises
    DatasetError for a folder that does not exist or has no images.
    """
    root = Path(folder)
    if not os.path.isdir(root):
        raise DatasetError(f"{root}: no such folder: expected a folder with images")
    left = LeftOut(root)
    studies = _studies(_of_folder(root, left), left)
    if not studies:
        raise _no_images([root], left)
    left.warn(root)
    return studies


def _no_images(paths: Sequence[Path], left: LeftOut) -> DatasetError:
    return DatasetError(
        f"{', '.join(map(str, paths[:3]))}: contains no images: expected files in PNG, JPEG or "
        f"TIFF ({', '.join(IMAGE_ENDINGS)}), DICOM objects that are radiographs, or a data "
        f"folder\n{left}".rstrip()
    )


def _of_path(path: Path, left: LeftOut) -> list[_Item]:
    if kind := labelled_kind(path):
        return list(index_labelled(path, kind))
    if os.path.isdir(path):
        items = _of_folder(path, left)
        if not items:
            left.add("folders without an image", path)
        return items
    if is_dicom_file(path):
        objects, ungrouped = read_objects([path], left, any_modality=True)
        return [*objects, *_single_images(ungrouped, left)]
    return [ImageGroup(path, (ImageRef(path),))]


def _of_folder(folder: Path, left: LeftOut) -> list[_Item]:
    images = image_files(walk_files(folder, left), left)
    objects, ungrouped = read_objects(images.objects, left)
    single = []
    for path, header in ungrouped:
        if header or _meant_as_dicom(path):
            single.append((path, header))
        else:
            left.add(NO_IMAGE, path)
    groups: dict[Path, list[ImageRef]] = defaultdict(list)
    for path in images.pictures:
        groups[path.parent].append(ImageRef(path))
    pictures = [without_copies(ImageGroup(p, tuple(refs)), left) for p, refs in groups.items()]
    return [*objects, *_single_images(single, left), *pictures]


def _meant_as_dicom(path: Path) -> bool:
    """Whether a file is DICOM by preamble or name; two bytes alone often match by chance."""
    return has_preamble(path) or path.suffix.lower() in _DICOM_ENDINGS


def _single_images(objects: Sequence[UngroupedFile], left: LeftOut) -> list[ImageGroup]:
    """Return a group for each file. A damaged one is reported when it is read."""
    groups = []
    for path, header in objects:
        if header is None:
            groups.append(ImageGroup(path, (ImageRef(path),)))
            continue
        left.remark("without a Study Instance UID (0020,000D), each a study of its own", path)
        note_other_region(path, header, left)
        ref = ImageRef(path, header.view, header.laterality)
        remarks = region_remarks([header.other_region])
        groups.append(ImageGroup(path, (ref,), header.body_part, remarks))
    return groups


def _studies(items: Sequence[_Item], left: LeftOut) -> list[Study]:
    """Group DICOM objects, name groups of images, and drop sets of images that repeat."""
    grouped = group_objects([i for i in items if isinstance(i, DicomObject)], left)
    # None stands for an object that is not the first of its study.
    joined = [grouped.get(i) if isinstance(i, DicomObject) else i for i in items]
    kept = drop_repeated([i for i in joined if i is not None], left)
    named = iter(studies_of([k for k in kept if isinstance(k, ImageGroup)]))
    return unique_keys(k if isinstance(k, Study) else next(named) for k in kept)
