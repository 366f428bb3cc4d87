"""Data that bring labels, told by looking: a table, a table of sources, phantoms, MURA."""

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
    """'table', 'sources', 'phantom' or 'mura'; '' for anything else, and what is not there."""
    if os.path.isfile(place):
        if not is_table(place):
            return ""
        columns = first_row(place)
        return "sources" if {*SOURCE_COLUMNS} <= columns and "path" not in columns else "table"
    if os.path.isfile(place / TRUTH):
        return "phantom"
    return "mura" if os.path.isdir(place) and contains_root(place) else ""


def index_labelled(place: Path, kind: str) -> list[Study]:
    """The studies of a path of that kind. Raises DatasetError."""
    return index_sources(place) if kind == "sources" else _INDEX[kind](place)


def recorded_name(place: Path) -> str:
    """What data are called in the record of a run: the file's or folder's name.

    Of a table of sources their names and licences stand behind it.
    """
    name = place.resolve().name
    if labelled_kind(place) != "sources":
        return name
    sources = read_sources(place).sources
    return f"{name}: " + ", ".join(f"{s.name} ({s.licence or 'licence unknown'})" for s in sources)


def index_sources(table: Path | str) -> list[Study]:
    """The studies of every source that `table` names, their labels in one meaning.

    The columns of the table: `read_sources`; how labels are translated: `studies_of_source`. Ids
    of patients and studies begin with the name of their source and a full stop, so that those of
    two sources never meet. Raises DatasetError for what any of the tables has to say, for a table
    of sources inside of another, for one image in two sources, and for phantoms alone (a folder of
    theirs is data by itself, and a bundle of them must be known as one).

    Examples
    --------
    >>> studies = index_sources("sources.csv")  # doctest: +SKIP
    >>> {s.source for s in studies}  # doctest: +SKIP
    {'fracatlas', 'uci_shoulder'}
    """
    path = Path(table)
    result = read_sources(path)
    kinds = {s.name: labelled_kind(s.place) for s in result.sources}
    for source in result.sources:
        if kinds[source.name] not in _INDEX:
            raise DatasetError(
                f"{path}: source {source.name!r}: {source.place}: expected a table of "
                "radiographs (.csv), a phantom folder or MURA"
            )
    if {*kinds.values()} == {"phantom"}:
        raise DatasetError(
            f"{path}: every source is a folder of phantoms: give the folder itself; what learned "
            "from phantoms alone must be known as a demonstration"
        )
    studies = []
    for source in result.sources:
        own = _INDEX[kinds[source.name]](source.place)
        studies += studies_of_source(own, source, result.answer)
    _check_images(path, studies)
    return studies


def _check_images(path: Path, studies: list[Study]) -> None:
    """One image in two sources would teach and test at once."""
    first: dict[str, str] = {}
    for study in studies:
        for image in study.images:
            source = first.setdefault(os.path.realpath(image.path), study.source)
            if source != study.source:
                raise DatasetError(
                    f"{path}: {image.path} is an image of {source!r} and of {study.source!r}: "
                    "expected each image in one source"
                )
