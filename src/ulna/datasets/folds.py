"""Folds of a cross-validation: by patient, stratified, the same for every method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ulna.datasets.split import split_studies
from ulna.errors import ConfigError, SplitError
from ulna.types import Study


def assign_folds(studies: Sequence[Study], folds: int = 5, seed: int = 0) -> list[list[Study]]:
    """`studies` in `folds` parts of near equal size, no patient in two of them.

    Stratified by body part and label (see `split_studies`); depends on the set of studies,
    the number of folds and the seed alone, so that every method is given the same folds.
    Of several sources each is dealt by itself: its folds are those that it has alone. Sources of
    fewer patients than folds are dealt together, patient by patient.
    Raises ConfigError for fewer than 2 folds, SplitError for fewer patients than folds.
    """
    if folds < 2:
        raise ConfigError(f"{folds} folds: expected at least 2")
    parts: list[list[Study]] = [[] for _ in range(folds)]
    small: list[Study] = []
    for source in sorted({s.source for s in studies}):
        own = [s for s in studies if s.source == source]
        if source and len({s.patient_id for s in own}) < folds:
            small += own
            continue
        dealt = split_studies(own, {f"{i:03d}": 1 / folds for i in range(folds)}, seed)
        for part, result in zip(parts, dealt.values(), strict=True):
            part += result
    for part, result in zip(parts, _dealt_singly(small, folds, seed), strict=True):
        part += result
    if not all(parts):
        patients = len({s.patient_id for s in studies})
        raise SplitError(
            f"{patients} patients for {folds} folds: expected at least one patient for each; "
            "bring more data, or ask for fewer folds"
        )
    return parts


def _dealt_singly(studies: Sequence[Study], folds: int, seed: int) -> list[list[Study]]:
    """Patients in a seeded order, one after another to the next fold."""
    patients = sorted({s.patient_id for s in studies})
    order = np.random.default_rng(seed).permutation(len(patients))
    fold_of = {patients[p]: i % folds for i, p in enumerate(order.tolist())}
    ordered = sorted(studies, key=lambda s: s.key)
    return [[s for s in ordered if fold_of[s.patient_id] == k] for k in range(folds)]
