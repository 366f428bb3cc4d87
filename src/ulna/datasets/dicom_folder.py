"""Index a folder of DICOM files as studies, from their headers alone."""

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
    """Return the CR, DX and RG objects in `folder` and its subfolders, grouped into studies.

    Objects that share Study Instance UID (0020,000D), patient and body part are one study. The
    body part is None where the header names none of the seven of MURA. There are no labels:
    `abnormal` is None. Objects without a Patient ID belong to a patient of their study. DICOM
    files are recognised by their first bytes, not by their names. One DatasetWarning counts all
    that is left out: files other than DICOM (`index_images` reads these too), objects of other
    modalities, damaged files, copies with the same SOP Instance UID, hidden files and folders.
    Raises DatasetError for a folder that does not exist or has no radiographs.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder: expected a folder with DICOM files")
    left = LeftOut(root)
    files = walk_files(root, left)
    images = image_files(files, left)
    for path in images.pictures:
        left.add("pictures, no DICOM objects", path)
    objects, ungrouped = read_objects(images.objects, left)
    for path, header in ungrouped:
        left.add("without a Study Instance UID" if header else "damaged", path)
    if not objects:
        raise DatasetError(
            f"{root}: no radiographs among {len(files)} files: expected DICOM objects of "
            f"modality {', '.join(RADIOGRAPHY)}\n{left}".rstrip()
        )
    studies = list(group_objects(objects, left).values())
    left.warn(root)
    return studies
