"""Labelled data as a caller has them: a path, or studies that are indexed already."""

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
    """The studies; DatasetError for a list of something else, or of none."""
    if isinstance(data, str | os.PathLike):
        return index_data(Path(data))
    studies = list(data)
    strange = [s for s in studies if not isinstance(s, Study)]
    if strange or not studies:
        what = f"a {type(strange[0]).__name__}" if strange else "none"
        raise DatasetError(
            f"{what} among {len(studies)} studies: expected a path, or Study objects"
        )
    return studies


def kind_and_name(data: Data) -> tuple[str, str]:
    """What a run writes down of its data; of a list of studies 'studies' and their sources."""
    if isinstance(data, str | os.PathLike):
        return data_kind(Path(data)), recorded_name(Path(data))
    return "studies", "+".join(sorted({s.source for s in data} - {""}))
