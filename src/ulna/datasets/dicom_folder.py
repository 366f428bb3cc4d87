"""A folder of DICOM files -> studies; headers only."""

from __future__ import annotations

from pathlib import Path

from ulna.datasets.dicom_objects import group_objects, read_objects
from ulna.datasets.left_out import LeftOut
from ulna.datasets.readable import image_files
from ulna.datasets.walk import walk_files
from ulna.dicom.header import RADIOGRAPHY
from ulna.errors import DatasetError
from ulna.types import Study


def index_dicom(folder: Path | str) -> list[Study]:
    """The CR, DX and RG objects under `folder` (and its folders), grouped into studies.

    A study is what shares Study Instance UID (0020,000D), patient and body part; body part is
    None where the header names none of MURA's. There are no labels: `abnormal` is None. An object
    without Patient ID counts as its study's own patient. Files are known by their first bytes,
    not their names. One DatasetWarning with counts for all that is left out: files that are no
    DICOM (`index_images` reads pictures too), objects of other modalities, damaged ones, second
    copies of one SOP Instance UID, hidden files and folders; DatasetError where nothing is left.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder: expected one with DICOM files")
    left = LeftOut(root)
    files = walk_files(root, left)
    images = image_files(files, left)
    for path in images.pictures:
        left.add("pictures, no DICOM objects", path)
    objects, alone = read_objects(images.objects, left)
    for path, header in alone:
        left.add("without a Study Instance UID" if header else "damaged", path)
    if not objects:
        raise DatasetError(
            f"{root}: no radiographs among {len(files)} files: expected DICOM objects of "
            f"modality {', '.join(RADIOGRAPHY)}\n{left}".rstrip()
        )
    studies = list(group_objects(objects, left).values())
    left.warn(root)
    return studies
