"""Groups of studies that are scored separately: regions of the limb, values of table columns."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ulna.datasets.labelled_data import labelled_kind
from ulna.datasets.source_rows import read_sources
from ulna.datasets.table import read_columns
from ulna.datasets.table_text import is_table
from ulna.errors import ConfigError
from ulna.types import BodyPart, Study

# Radiographs of body parts in the same region often show each other; between regions rarely.
REGIONS = {
    "wrist, hand, finger": (BodyPart.WRIST, BodyPart.HAND, BodyPart.FINGER),
    "elbow, forearm": (BodyPart.ELBOW, BodyPart.FOREARM),
    "humerus, shoulder": (BodyPart.HUMERUS, BodyPart.SHOULDER),
}

Groups = dict[str, dict[str, str]]


def region_groups(part_of: Mapping[str, BodyPart]) -> Groups:
    """Return the region of every study by its key, from its body part by the same key."""
    region = {part: name for name, parts in REGIONS.items() for part in parts}
    return {"region": {key: region[part] for key, part in part_of.items()}}


def column_groups(table: Path, studies: Sequence[Study], columns: Sequence[str]) -> Groups:
    """Return the value of each of `columns` by study key, from the row of a study's first image.

    A column 'name:number' is split into 'name < number' and 'name >= number'. In a table of
    sources, the columns are those of any source's table, and studies of other sources have no
    value. Raises ConfigError for data that are not a table or a table of other images, for a
    column that it lacks or that is requested twice, and for a value that is not a number.
    """
    if not columns:
        return {}
    if not is_table(table):
        raise ConfigError(f"{table} is no table: it has no column {columns[0]!r} to group by")
    names = [c.partition(":")[0] for c in columns]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise ConfigError(
            f"column {twice[0]!r} is requested twice: expected each once; use another run to "
            "split it at another number"
        )
    by_path = {_place(path): cells for path, cells in _cells(table).items()}
    images = {s.key: _place(s.images[0].path) for s in studies}
    if images and not set(images.values()) & set(by_path):
        raise ConfigError(
            f"{table} names none of the {len(images)} studies' images: expected the table that "
            "they were read from"
        )
    known = list(dict.fromkeys(name for cells in by_path.values() for name in cells))
    result: Groups = {}
    for column in columns:
        name, _, bound = column.partition(":")
        if name not in known:
            raise ConfigError(f"column {name!r}: {table} has {', '.join(known)}")
        cells = {key: by_path.get(image, {}).get(name, "") for key, image in images.items()}
        result[name] = {key: _value(text, name, bound) for key, text in cells.items()}
    return result


def _place(path: Path) -> str:
    """Return the canonical path, since table and studies may use different paths to a file."""
    return os.path.realpath(path)


def _cells(table: Path) -> dict[Path, dict[str, str]]:
    """Return all cells by column for each image's path, of a table or its sources' tables."""
    if labelled_kind(table) != "sources":
        return read_columns(table)
    places = [s.place for s in read_sources(table).sources if is_table(s.place)]
    return {path: cells for place in places for path, cells in read_columns(place).items()}


def _value(text: str, name: str, bound: str) -> str:
    if not bound or not text:
        return text
    try:
        below = float(text) < float(bound)
    except ValueError:
        raise ConfigError(
            f"column {name!r} holds {text!r}, to be split at {bound!r}: expected numbers"
        ) from None
    return f"< {bound}" if below else f">= {bound}"
