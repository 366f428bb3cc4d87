"""Groups of studies whose scores are looked at alone: regions of the limb, columns of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ulna.datasets.table import read_columns
from ulna.datasets.table_text import is_table
from ulna.errors import ConfigError
from ulna.types import BodyPart, Study

# Labels by field of view overlap within these pairs far more than between them.
REGIONS = {
    "wrist, hand, finger": (BodyPart.WRIST, BodyPart.HAND, BodyPart.FINGER),
    "elbow, forearm": (BodyPart.ELBOW, BodyPart.FOREARM),
    "humerus, shoulder": (BodyPart.HUMERUS, BodyPart.SHOULDER),
}

Groups = dict[str, dict[str, str]]


def region_groups(part_of: Mapping[str, BodyPart]) -> Groups:
    """The region of every study by its key, from its body part by the same key."""
    region = {part: name for name, parts in REGIONS.items() for part in parts}
    return {"region": {key: region[part] for key, part in part_of.items()}}


def column_groups(table: Path, studies: Sequence[Study], columns: Sequence[str]) -> Groups:
    """The value of each of `columns` of the table, by study key; of a study's first film.

    A column 'name:number' is split there, into 'name < number' and 'name >= number'. Raises
    ConfigError for data that are no table, a column that it does not have or that is named twice,
    or a value that is no number.
    """
    if not columns:
        return {}
    if not is_table(table):
        raise ConfigError(f"{table} is no table: it has no column {columns[0]!r} to group by")
    names = [c.partition(":")[0] for c in columns]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise ConfigError(
            f"column {twice[0]!r} is asked for twice: expected each once; split it at another "
            "number in a run of its own"
        )
    by_path = read_columns(table)
    known = list(next(iter(by_path.values())))
    found: Groups = {}
    for column in columns:
        name, _, bound = column.partition(":")
        if name not in known:
            raise ConfigError(f"column {name!r}: {table} has {', '.join(known)}")
        found[name] = {s.key: _value(by_path[s.images[0].path][name], name, bound) for s in studies}
    return found


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
