"""Data as a caller gives them: a path, or studies that are indexed already."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ulna.datasets import data_kind, index_data
from ulna.datasets.labelled_data import recorded_name
from ulna.errors import DatasetError
from ulna.types import Study

Data = Path | str | Sequence[Study]
"""A table, a data folder, or a list of studies."""


def studies_of(data: Data) -> list[Study]:
    """Return the studies; raise DatasetError for an empty list, or one of other objects."""
    if isinstance(data, str | os.PathLike):
        return index_data(Path(data))
    studies = list(data)
    if not studies:
        raise DatasetError("an empty list of studies: expected a path, or Study objects")
    if strange := [s for s in studies if not isinstance(s, Study)]:
        raise DatasetError(
            f"a {type(strange[0]).__name__} among {len(studies)} studies: expected a path, or "
            "Study objects"
        )
    return studies


def kind_and_name(data: Data) -> tuple[str, str]:
    """Return kind and name of the data for a run's record; for a list, 'studies' and sources."""
    if isinstance(data, str | os.PathLike):
        return data_kind(Path(data)), recorded_name(Path(data))
    return "studies", "+".join(sorted({s.source for s in data} - {""}))
