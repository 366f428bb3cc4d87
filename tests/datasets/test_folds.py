"""Folds have every study once, keep patients whole and strata even, and ignore the order."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
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
        result = [c[stratum] for c in counts]
        assert max(result) - min(result) <= 3, (stratum, result)


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


def _of_source(name: str, n: int) -> list[Study]:
    return [
        replace(
            s, patient_id=f"{name}.{s.patient_id}", study_id=f"{name}.{s.study_id}", source=name
        )
        for s in _studies(n)
    ]


def test_a_source_has_the_folds_beside_others_that_it_has_alone() -> None:
    """So that what a second source brings is a paired difference."""
    alone = assign_folds(_studies(120), 5, seed=3)
    both = assign_folds([*_of_source("b", 120), *_of_source("a", 60)], 5, seed=3)
    for own, joint in zip(alone, both, strict=True):
        result = [s.study_id.removeprefix("b.") for s in joint if s.source == "b"]
        assert sorted(result) == sorted(s.study_id for s in own)


def test_sources_of_fewer_patients_than_folds_are_dealt_patient_by_patient() -> None:
    few = [replace(s, patient_id=f"few.{i % 3}") for i, s in enumerate(_of_source("few", 9))]
    folds = assign_folds([*_of_source("a", 60), *few], 5)
    where = [{s.patient_id for s in f if s.source == "few"} for f in folds]
    assert sorted(map(len, where)) == [0, 0, 1, 1, 1]
    with pytest.raises(SplitError, match="3 patients for 5 folds"):
        assign_folds(few, 5)
