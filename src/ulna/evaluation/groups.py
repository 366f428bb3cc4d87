"""Groups of studies whose scores are looked at alone: regions of the limb, columns of a table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from ulna.errors import ConfigError
from ulna.types import BodyPart, Study

# Labels by field of view overlap within these pairs far more than between them.
REGIONS = {
    "wrist, hand, finger": (BodyPart.WRIST, BodyPart.HAND, BodyPart.FINGER),
    "elbow, forearm": (BodyPart.ELBOW, BodyPart.FOREARM),
    "humerus, shoulder": (BodyPart.HUMERUS, BodyPart.SHOULDER),
}

Groups = dict[str, dict[str, str]]


def region_groups(studies: Sequence[Study]) -> Groups:
    """The region of every study of known body part, by study key."""
    region = {part: name for name, parts in REGIONS.items() for part in parts}
    return {"region": {s.key: region[s.body_part] for s in studies if s.body_part}}


def column_groups(table: Path, studies: Sequence[Study], columns: Sequence[str]) -> Groups:
    """The value of each of `columns` of the table, by study key; of a study's first film.

    A column 'name:number' is split there, into 'name < number' and 'name >= number'. Raises
    ConfigError for a column that the table does not have or a value that is no number.
    """
    if not columns:
        return {}
    with table.open(encoding="utf-8-sig", newline="") as handle:
        lines = list(csv.DictReader(handle))
    by_path = {table.parent / line["path"].strip(): line for line in lines}
    found: Groups = {}
    for column in columns:
        name, _, bound = column.partition(":")
        if name not in lines[0]:
            raise ConfigError(f"column {name!r}: {table} has {', '.join(lines[0])}")
        found[name] = {
            s.key: _value(by_path[s.images[0].path][name].strip(), name, bound) for s in studies
        }
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
