"""Laws of a split by patient, over generated cohorts."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ulna.datasets import check_disjoint, split_studies
from ulna.errors import DatasetError, SplitError
from ulna.types import BodyPart, ImageRef, Study

FRACTIONS = {"train": 0.8, "tune": 0.08, "calibration": 0.12}


def study(patient: int, number: int, part: BodyPart | None, abnormal: bool | None) -> Study:
    images = (ImageRef(Path(f"{patient}-{number}.png")),)
    return Study(f"patient{patient}", f"study{number}", part, images, abnormal)


@st.composite
def cohorts(draw: st.DrawFn) -> list[Study]:
    """1 to 150 studies of up to 60 patients, some in several regions and under both labels."""
    labels = st.sampled_from([True, False, None])
    parts = st.sampled_from([BodyPart.WRIST, BodyPart.ELBOW, BodyPart.HAND, None])
    rows = draw(st.lists(st.tuples(st.integers(0, 60), parts, labels), min_size=1, max_size=150))
    return [study(patient, i, part, label) for i, (patient, part, label) in enumerate(rows)]


@st.composite
def shares(draw: st.DrawFn) -> dict[str, float]:
    weights = draw(st.lists(st.integers(1, 20), min_size=1, max_size=4))
    return {f"part{i}": w / sum(weights) for i, w in enumerate(weights)}


@settings(max_examples=150, deadline=None)
@given(cohorts(), shares(), st.integers(0, 2**32 - 1), st.randoms(use_true_random=False))
def test_laws(
    studies: list[Study], fractions: dict[str, float], seed: int, order: random.Random
) -> None:
    assume(len({s.patient_id for s in studies}) >= len(fractions))
    parts = split_studies(studies, fractions, seed)
    assert list(parts) == list(fractions)
    assert Counter(s.key for p in parts.values() for s in p) == Counter(s.key for s in studies)
    sides = Counter(p for part in parts.values() for p in {s.patient_id for s in part})
    assert set(sides.values()) == {1}
    assert all(parts.values())
    largest = max(Counter(s.patient_id for s in studies).values())
    for name, share in fractions.items():
        assert abs(len(parts[name]) - share * len(studies)) <= largest + len(fractions)
    shuffled = studies.copy()
    order.shuffle(shuffled)
    assert split_studies(shuffled, fractions, seed) == parts


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(3, 60), min_size=6, max_size=6))
def test_each_stratum_holds_its_share_when_patients_have_one_study(
    seed: int, sizes: list[int]
) -> None:
    strata = [(p, a) for p in (BodyPart.WRIST, BodyPart.ELBOW, BodyPart.HUMERUS) for a in (0, 1)]
    cohort = []
    for (part, abnormal), size in zip(strata, sizes, strict=True):
        cohort += [study(len(cohort) + i, 1, part, bool(abnormal)) for i in range(size)]
    parts = split_studies(cohort, FRACTIONS, seed)
    for name, share in FRACTIONS.items():
        assert abs(len(parts[name]) - share * len(cohort)) <= 1
        result = Counter((s.body_part, s.abnormal) for s in parts[name])
        for (part, abnormal), size in zip(strata, sizes, strict=True):
            assert abs(result[part, bool(abnormal)] - share * size) <= 2


def test_seed_changes_the_split_and_nothing_else_does() -> None:
    cohort = [study(i, 1, BodyPart.WRIST, i % 2 == 0) for i in range(100)]
    first = split_studies(cohort, FRACTIONS, 1)
    assert split_studies(cohort, FRACTIONS, 1) == first
    assert split_studies(cohort, FRACTIONS, 2) != first


def test_small_parts_of_many_small_strata_are_not_starved() -> None:
    cohort = [
        study(10 * i + j, 1, part, abnormal)
        for i, (part, abnormal) in enumerate((p, a) for p in BodyPart for a in (True, False))
        for j in range(5)
    ]
    parts = split_studies(cohort, FRACTIONS, 0)
    assert {n: len(p) for n, p in parts.items()} == {"train": 56, "tune": 6, "calibration": 8}


def test_too_few_patients_is_an_error() -> None:
    cohort = [study(1, i, BodyPart.WRIST, True) for i in range(9)]
    with pytest.raises(SplitError, match="1 patients for 3 parts"):
        split_studies(cohort, FRACTIONS, 0)


@pytest.mark.parametrize("fractions", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": 1, "b": 0}])
def test_fractions_that_make_no_sense(fractions: dict[str, float]) -> None:
    with pytest.raises(DatasetError, match="sum 1"):
        split_studies([study(1, 1, None, None)], fractions, 0)


def test_a_share_may_be_a_whole_number() -> None:
    """Report: {"train": 1} ended in an error of NumPy's."""
    cohort = [study(i, 1, BodyPart.WRIST, bool(i % 2)) for i in range(4)]
    assert len(split_studies(cohort, {"train": 1}, 0)["train"]) == 4


def test_one_key_twice_is_an_error() -> None:
    with pytest.raises(DatasetError, match="1 study keys occur twice"):
        split_studies([study(1, 1, None, None)] * 2, {"a": 1.0}, 0)


def test_check_disjoint_names_the_patients() -> None:
    one, two = study(1, 1, None, None), study(1, 2, BodyPart.HAND, None)
    check_disjoint({"a": [one, two], "b": [study(2, 1, None, None)], "c": []})
    with pytest.raises(SplitError, match="patient1: a and b"):
        check_disjoint({"a": [one], "b": [two]})
