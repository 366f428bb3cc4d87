"""Index MURA, tables, DICOM folders and phantoms as lists of `Study`, and split them by patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ulna.lazy_imports import lazy_getattr

if TYPE_CHECKING:
    from ulna.datasets.dicom_folder import index_dicom
    from ulna.datasets.dispatch import data_kind, index_data
    from ulna.datasets.labelled_data import index_sources
    from ulna.datasets.mura import index_mura
    from ulna.datasets.paths import index_images, index_paths
    from ulna.datasets.phantoms import index_phantoms
    from ulna.datasets.source_rows import read_sources
    from ulna.datasets.split import check_disjoint, split_studies
    from ulna.datasets.table import index_table

__all__ = [
    "check_disjoint", "data_kind", "index_data", "index_dicom", "index_images", "index_paths",
    "index_mura", "index_phantoms", "index_sources", "index_table", "read_sources", "split_studies",
]  # fmt: skip

__getattr__ = lazy_getattr(
    __name__,
    {
        "dicom_folder": ("index_dicom",),
        "dispatch": ("data_kind", "index_data"),
        "paths": ("index_images", "index_paths"),
        "labelled_data": ("index_sources",),
        "mura": ("index_mura",),
        "phantoms": ("index_phantoms",),
        "source_rows": ("read_sources",),
        "split": ("check_disjoint", "split_studies"),
        "table": ("index_table",),
    },
)
