"""Folds: every study once, patients whole, strata even, the same whatever the order."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ulna.datasets.folds import assign_folds
from ulna.errors import ConfigError, SplitError
from ulna.types import BodyPart, ImageRef, Study


def _studies(n: int = 300) -> list[Study]:
    rng = np.random.default_rng(0)
    parts = (BodyPart.HAND, BodyPart.ELBOW)
    return [
        Study(f"p{rng.integers(n // 3)}", f"s{i}", parts[i % 2], (ImageRef(Path("a")),), i % 5 == 0)
        for i in range(n)
    ]


def test_every_study_stands_in_one_fold_and_patients_stay_whole() -> None:
    studies = _studies()
    folds = assign_folds(studies, 5)
    assert sorted(s.key for f in folds for s in f) == sorted(s.key for s in studies)
    patients = [{s.patient_id for s in f} for f in folds]
    assert sum(map(len, patients)) == len(set().union(*patients))


def test_folds_are_even_within_label_and_part() -> None:
    counts = [Counter((s.body_part, s.abnormal) for s in f) for f in assign_folds(_studies(), 5)]
    for stratum in counts[0]:
        found = [c[stratum] for c in counts]
        assert max(found) - min(found) <= 3, (stratum, found)


def test_folds_depend_on_the_seed_and_not_on_the_order() -> None:
    studies = _studies()
    first = assign_folds(studies, 4, seed=1)
    assert first == assign_folds(studies[::-1], 4, seed=1)
    assert first != assign_folds(studies, 4, seed=2)


def test_too_few_folds_or_patients_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2"):
        assign_folds(_studies(), 1)
    one = [s for s in _studies() if s.patient_id == _studies()[0].patient_id]
    with pytest.raises(SplitError, match="1 patients for 5"):
        assign_folds(one, 5)
