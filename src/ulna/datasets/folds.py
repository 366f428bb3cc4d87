"""Folds of a cross-validation, by patient, stratified, and the same for every method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ulna.datasets.split import split_studies
from ulna.errors import ConfigError, SplitError
from ulna.types import Study


def assign_folds(studies: Sequence[Study], folds: int = 5, seed: int = 0) -> list[list[Study]]:
    """Divide `studies` into `folds` parts of nearly equal size, each patient in one of them.

    Folds are stratified by body part and label (see `split_studies`). They depend on the set of
    studies, the number of folds and the seed alone, so every method gets the same folds. Each of
    several sources is divided by itself, into the folds that it has without the others. Sources
    with fewer patients than folds are pooled, and their patients are dealt out in turn.
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
        for part, more in zip(parts, dealt.values(), strict=True):
            part += more
    for part, more in zip(parts, _deal_patients(small, folds, seed), strict=True):
        part += more
    if not all(parts):
        patients = len({s.patient_id for s in studies})
        raise SplitError(
            f"{patients} patients for {folds} folds: expected at least one patient for each; "
            "use more data or fewer folds"
        )
    return parts


def _deal_patients(studies: Sequence[Study], folds: int, seed: int) -> list[list[Study]]:
    """Deal out patients to the folds in turn, in a random order that `seed` determines."""
    patients = sorted({s.patient_id for s in studies})
    order = np.random.default_rng(seed).permutation(len(patients))
    fold_of = {patients[p]: i % folds for i, p in enumerate(order.tolist())}
    ordered = sorted(studies, key=lambda s: s.key)
    return [[s for s in ordered if fold_of[s.patient_id] == k] for k in range(folds)]
