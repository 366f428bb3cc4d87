"""Data that bring labels, told by looking: a table, a phantom folder, MURA."""

from __future__ import annotations

import os
from pathlib import Path

from ulna.datasets.mura import index_mura
from ulna.datasets.mura_tree import contains_root
from ulna.datasets.phantoms import TRUTH, index_phantoms
from ulna.datasets.table import index_table
from ulna.datasets.table_text import is_table
from ulna.types import Study

_INDEX = {"table": index_table, "phantom": index_phantoms, "mura": index_mura}


def labelled_kind(place: Path) -> str:
    """'table', 'phantom' or 'mura'; '' for anything else, and for what is not there."""
    if os.path.isfile(place):
        return "table" if is_table(place) else ""
    if os.path.isfile(place / TRUTH):
        return "phantom"
    return "mura" if os.path.isdir(place) and contains_root(place) else ""


def index_labelled(place: Path, kind: str) -> list[Study]:
    """The studies of a path of that kind. Raises DatasetError."""
    return _INDEX[kind](place)
