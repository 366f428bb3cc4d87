"""Lists of `Study` from MURA, tables, DICOM folders and phantoms, and splits by patient."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ulna.datasets.dicom_folder import index_dicom
    from ulna.datasets.dispatch import data_kind, index_data
    from ulna.datasets.given import index_films, index_given
    from ulna.datasets.labelled_data import index_sources
    from ulna.datasets.mura import index_mura
    from ulna.datasets.phantoms import index_phantoms
    from ulna.datasets.source_rows import read_sources
    from ulna.datasets.split import check_disjoint, split_studies
    from ulna.datasets.table import index_table

__all__ = [
    "check_disjoint",
    "data_kind",
    "index_data",
    "index_dicom",
    "index_films",
    "index_given",
    "index_mura",
    "index_phantoms",
    "index_sources",
    "index_table",
    "read_sources",
    "split_studies",
]

_MODULES = {
    "check_disjoint": "split",
    "data_kind": "dispatch",
    "index_data": "dispatch",
    "index_dicom": "dicom_folder",
    "index_films": "given",
    "index_given": "given",
    "index_mura": "mura",
    "index_phantoms": "phantoms",
    "index_sources": "labelled_data",
    "index_table": "table",
    "read_sources": "source_rows",
    "split_studies": "split",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'ulna.datasets' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ulna.datasets.{_MODULES[name]}"), name)
