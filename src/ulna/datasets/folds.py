"""Folds of a cross-validation: by patient, stratified, the same for every method."""

from __future__ import annotations

from collections.abc import Sequence

from ulna.datasets.split import split_studies
from ulna.errors import ConfigError
from ulna.types import Study


def assign_folds(studies: Sequence[Study], folds: int = 5, seed: int = 0) -> list[list[Study]]:
    """`studies` in `folds` parts of near equal size, no patient in two of them.

    Stratified by body part and label (see `split_studies`); depends on the set of studies,
    the number of folds and the seed alone, so that every method is given the same folds.
    Raises ConfigError for fewer than 2 folds, SplitError for fewer patients than folds.
    """
    if folds < 2:
        raise ConfigError(f"{folds} folds: expected at least 2")
    names = [f"{i:03d}" for i in range(folds)]
    parts = split_studies(studies, dict.fromkeys(names, 1 / folds), seed)
    return [parts[n] for n in names]
