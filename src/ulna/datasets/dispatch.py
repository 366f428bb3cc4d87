"""Detect the kind of data at a path, and index them."""

from __future__ import annotations

import os
from pathlib import Path

from ulna.datasets.labelled_data import index_labelled, labelled_kind
from ulna.datasets.left_out import LeftOut
from ulna.datasets.paths import index_images
from ulna.datasets.phantoms import TRUTH
from ulna.datasets.walk import walk_files
from ulna.dicom.signature import is_dicom_file
from ulna.errors import DatasetError
from ulna.types import Study


def index_data(path: Path | str) -> list[Study]:
    """Return the studies at `path`, which may be of any kind that `data_kind` detects.

    Raises DatasetError for other paths and for data that cannot be used.
    """
    kind = data_kind(path)
    return index_images(path) if kind == "dicom" else index_labelled(Path(path), kind)


def data_kind(path: Path | str) -> str:
    """Return "table", "sources", "phantom", "mura" or "dicom".

    A .csv or .tsv file is a table, and a table of sources where it has their columns
    (`read_sources`) and no column `path`. A folder is a phantom folder if it contains truth.csv,
    MURA if it or a folder in it contains train/XR_* or valid/XR_*, and DICOM if any file in it or
    below is DICOM. Hidden folders are ignored. Raises DatasetError for anything else.
    """
    place = Path(path)
    if kind := labelled_kind(place):
        return kind
    if not os.path.isdir(place):
        fault = "not a .csv or .tsv file" if os.path.exists(place) else "no such file or folder"
        raise DatasetError(f"{place}: {fault}: expected a CSV table or a data folder")
    if any(is_dicom_file(file) for file in walk_files(place, LeftOut())):
        return "dicom"
    raise DatasetError(
        f"{place}: contains neither {TRUTH} (phantoms), nor train/XR_* or valid/XR_* (MURA), nor "
        "DICOM files: expected one of these, or the path of a CSV table"
    )
