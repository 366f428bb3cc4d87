"""Detect and index labelled data: a table, a table of sources, phantoms or MURA."""

from __future__ import annotations

import os
from pathlib import Path

from ulna.datasets.mura import index_mura
from ulna.datasets.mura_tree import contains_root
from ulna.datasets.phantoms import TRUTH, index_phantoms
from ulna.datasets.source_rows import REQUIRED as SOURCE_COLUMNS
from ulna.datasets.source_rows import read_sources
from ulna.datasets.table import index_table
from ulna.datasets.table_text import first_row, is_table
from ulna.datasets.translate import studies_of_source
from ulna.errors import DatasetError
from ulna.types import Study

_INDEX = {"table": index_table, "phantom": index_phantoms, "mura": index_mura}


def labelled_kind(place: Path) -> str:
    """Return 'table', 'sources', 'phantom' or 'mura'; '' for other and missing paths."""
    if os.path.isfile(place):
        if not is_table(place):
            return ""
        columns = first_row(place)
        return "sources" if {*SOURCE_COLUMNS} <= columns and "path" not in columns else "table"
    if os.path.isfile(place / TRUTH):
        return "phantom"
    return "mura" if os.path.isdir(place) and contains_root(place) else ""


def index_labelled(place: Path, kind: str) -> list[Study]:
    """Return the studies of a path of that kind. Raises DatasetError for data with faults."""
    return index_sources(place) if kind == "sources" else _INDEX[kind](place)


def recorded_name(place: Path) -> str:
    """Return the name of data for the record of a run, that of the file or folder.

    The name of a table of sources is followed by the sources' names and licences.
    """
    name = place.resolve().name
    if labelled_kind(place) != "sources":
        return name
    sources = read_sources(place).sources
    return f"{name}: " + ", ".join(f"{s.name} ({s.licence or 'licence unknown'})" for s in sources)


def index_sources(table: Path | str) -> list[Study]:
    """Return the studies of every source in `table`, with labels translated to one meaning.

    `read_sources` describes the columns and `studies_of_source` the translation of labels. Ids of
    patients and studies are prefixed with the name of their source and a full stop, so that ids of
    two sources never collide. Raises DatasetError for faults of any of the tables, a table of
    sources inside another, one image in two sources, and sources that are all phantoms (these must
    be read as the phantom folder, so that the bundle is marked as a demonstration).

    Examples
    --------
    >>> studies = index_sources("sources.csv")  # doctest: +SKIP
    >>> {s.source for s in studies}  # doctest: +SKIP
    {'fracatlas', 'uci_shoulder'}
    """
    path = Path(table)
    rows = read_sources(path)
    kinds = {s.name: labelled_kind(s.place) for s in rows.sources}
    for source in rows.sources:
        if kinds[source.name] not in _INDEX:
            raise DatasetError(
                f"{path}: source {source.name!r}: {source.place}: expected a table of "
                "radiographs (.csv), a phantom folder or MURA"
            )
    if {*kinds.values()} == {"phantom"}:
        raise DatasetError(
            f"{path}: every source is a folder of phantoms: give the folder itself, so that what "
            "is trained on phantoms alone is marked as a demonstration"
        )
    studies = []
    for source in rows.sources:
        own = _INDEX[kinds[source.name]](source.place)
        studies += studies_of_source(own, source, rows.answer)
    _check_images(path, studies)
    return studies


def _check_images(path: Path, studies: list[Study]) -> None:
    """Raise DatasetError for an image in two sources, which could be in training and in test."""
    first: dict[str, str] = {}
    for study in studies:
        for image in study.images:
            source = first.setdefault(os.path.realpath(image.path), study.source)
            if source != study.source:
                raise DatasetError(
                    f"{path}: {image.path} is an image of {source!r} and of {study.source!r}: "
                    "expected each image in one source"
                )
