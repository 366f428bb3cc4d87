"""Which kind of data a path is, by looking at it."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from ulna.datasets.dicom_folder import index_dicom
from ulna.datasets.mura import index_mura
from ulna.datasets.mura_tree import is_root
from ulna.datasets.phantoms import TRUTH, index_phantoms
from ulna.datasets.table import index_table
from ulna.dicom.signature import is_dicom_file
from ulna.errors import DatasetError
from ulna.types import Study

_LOOK_AT = 200
_INDEX = {
    "table": index_table,
    "phantom": index_phantoms,
    "mura": index_mura,
    "dicom": index_dicom,
}


def index_data(path: Path | str) -> list[Study]:
    """The studies at `path`, whatever `data_kind` says it is. Raises DatasetError."""
    return _INDEX[data_kind(path)](path)


def data_kind(path: Path | str) -> str:
    """The kind: "table", "phantom", "mura" or "dicom".

    A .csv file is a table. A folder is a phantom folder if it holds truth.csv, MURA if it or a
    folder in it holds train/XR_* or valid/XR_*, DICOM if one of its first 200 files is DICOM.
    Raises DatasetError for anything else, with what was looked for.
    """
    place = Path(path)
    if place.is_file() and place.suffix.lower() == ".csv":
        return "table"
    if not place.is_dir():
        what = "not a .csv file" if place.exists() else "no such file or folder"
        raise DatasetError(f"{place}: {what}: expected a CSV table or a data folder")
    if (place / TRUTH).is_file():
        return "phantom"
    if is_root(place) or any(is_root(p) for p in place.iterdir() if p.is_dir()):
        return "mura"
    files = (os.path.join(f, n) for f, _, names in os.walk(place) for n in names)
    if any(is_dicom_file(Path(f)) for f in islice(files, _LOOK_AT)):
        return "dicom"
    raise DatasetError(
        f"{place}: holds neither {TRUTH} (phantoms), nor train/XR_* or valid/XR_* (MURA), nor "
        "DICOM files: expected one of these, or the path of a CSV table"
    )
