"""Read a table of sources, which lists the data sets to combine and the meaning of their labels."""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ulna.datasets.find_file import FileFinder
from ulna.datasets.listing import listed
from ulna.datasets.table_text import read_table_text
from ulna.errors import DatasetError
from ulna.types import FindingCategory

REQUIRED = ("source", "table", "label_means", "licence", "role")
ABNORMAL = "abnormal"
# A full stop is not allowed, since it separates the name from the ids.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


class Role(enum.StrEnum):
    """The use of a source.

    train: its label is trained on as far as it concerns the bundle's answer, and so are its
    findings and body parts. heads_only: only its findings and body parts are trained on.
    unlabelled: only its images are used, for self-supervision and distillation. test: all of it
    is held out.
    """

    TRAIN = "train"
    HEADS_ONLY = "heads_only"
    UNLABELLED = "unlabelled"
    TEST = "test"


@dataclass(frozen=True)
class Source:
    """One row of a table of sources.

    place is the source's table or folder. label_means is the finding that its label `abnormal`
    stands for, None for any abnormality. licence is kept as written. weight is the relative
    frequency with which its studies are sampled. columns are those of its table that contain 1 or
    0 for a finding, by finding.
    """

    name: str
    place: Path
    label_means: FindingCategory | None
    licence: str
    role: Role
    weight: float
    columns: Mapping[FindingCategory, str]


@dataclass(frozen=True)
class Sources:
    """All sources, and the finding that `abnormal` of a bundle trained on them means."""

    sources: tuple[Source, ...]
    answer: FindingCategory | None


def read_sources(table: Path | str) -> Sources:
    """Return the rows of a table of sources.

    Required columns: source (a name of letters, digits, `_` and `-`), table (a table of
    radiographs, a phantom folder or MURA; relative to this table), label_means (`abnormal` for any
    abnormality, or a finding category such as `fracture`), licence (text), role (train, heads_only,
    unlabelled, test; see `Role`). Optional: weight (above 0; empty: 1), finding_columns
    (`finding=column`, joined by `;`: columns of the source's table that contain 1, 0 or nothing
    for a finding; columns that are named like a finding are used without this).

    The meaning of abnormal for all sources is that of the first source with the role train, or
    with the role test where none has train. Raises DatasetError with line numbers for rows with
    faults, and where no source has either role.
    """
    path = Path(table)
    find = FileFinder(path.parent)
    sources, faults = [], []
    for line, cells in read_table_text(path, REQUIRED).rows:
        try:
            sources.append(_source(cells, find))
        except _RowFault as fault:
            faults.append(f"line {line}: {fault}")
    names = [s.name.lower() for s in sources]
    faults += [f"source {n!r} occurs twice" for n in sorted({*names}) if names.count(n) > 1]
    if faults:
        raise DatasetError(f"{path}: {len(faults)} rows cannot be used:{listed(faults)}")
    for role in (Role.TRAIN, Role.TEST):
        meant = [s.label_means for s in sources if s.role == role]
        if meant:
            return Sources(tuple(sources), meant[0])
    raise DatasetError(
        f"{path}: no source has the role train or test: expected at least one, whose label says "
        "what abnormal means"
    )


class _RowFault(Exception):
    """Why a row cannot be used."""


def _source(cells: Mapping[str, str], find: FileFinder) -> Source:
    text = {k: v.strip() for k, v in cells.items()}
    if not _NAME.match(text["source"]):
        raise _RowFault(
            f"source {text['source'][:80]!r}: expected 1 to 64 letters, digits, '_' and '-'"
        )
    if not text["table"]:
        raise _RowFault("table is empty")
    return Source(
        name=text["source"],
        place=find(text["table"]),
        label_means=_meaning(text["label_means"]),
        licence=text["licence"],
        role=_role(text["role"]),
        weight=_weight(text.get("weight", "")),
        columns=_columns(text.get("finding_columns", "")),
    )


def _meaning(text: str) -> FindingCategory | None:
    return None if text.lower() == ABNORMAL else _category(text, f"label_means {text[:80]!r}")


def _category(text: str, where: str) -> FindingCategory:
    try:
        return FindingCategory(text.strip().lower())
    except ValueError:
        known = ", ".join(FindingCategory)
        raise _RowFault(f"{where}: expected {ABNORMAL} or one of {known}") from None


def _role(text: str) -> Role:
    try:
        return Role(text.lower())
    except ValueError:
        raise _RowFault(f"role {text[:80]!r}: expected one of {', '.join(Role)}") from None


def _weight(text: str) -> float:
    try:
        weight = float(text or 1)
    except ValueError:
        weight = math.nan
    if not 0 < weight <= 1e6:
        raise _RowFault(f"weight {text[:80]!r}: expected a number above 0, or nothing: 1")
    return weight


def _columns(text: str) -> dict[FindingCategory, str]:
    columns = {}
    for item in filter(None, (t.strip() for t in text.split(";"))):
        finding, equals, column = item.partition("=")
        if not equals or not column.strip():
            raise _RowFault(f"finding_columns {item[:80]!r}: expected finding=column")
        columns[_category(finding, f"finding_columns {item[:80]!r}")] = column.strip()
    return columns
