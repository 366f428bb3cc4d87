"""A missing finding label is unknown, never absent; a label of one finding determines only that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ulna.datasets.finding_labels import finding_counts, known_finding
from ulna.types import FindingCategory, ImageRef, Study

FRACTURE, HARDWARE, *_ = FindingCategory


def study(abnormal: bool | None, *named: FindingCategory, silent: bool = False) -> Study:
    categories = None if silent else frozenset(named)
    return Study("p", "s", None, (ImageRef(Path("a.png")),), abnormal, categories=categories)


@pytest.mark.parametrize(
    ("given", "means", "fracture", "hardware"),
    [
        # A source of any abnormality that names what it found: all is known.
        (study(True, FRACTURE), "abnormality", True, False),
        (study(False), "abnormality", False, False),
        # One that names nothing says nothing, not "none".
        (study(True, silent=True), "abnormality", None, None),
        (study(False, silent=True), "abnormality", None, None),
        # A source of fractures: its label is that finding, and normal says no more.
        (study(True, silent=True), "fracture", True, None),
        (study(False, silent=True), "fracture", False, None),
        (study(None, silent=True), "fracture", None, None),
        (study(False), "fracture", False, None),
        (study(False, HARDWARE), "fracture", False, True),
        (study(True, FRACTURE), "fracture", True, False),
        (study(True, HARDWARE), "fracture", True, True),
        (study(True, silent=True), "hardware", None, True),
        # A table of sources says of each what it knows.
        (replace(study(False), source="images"), "fracture", False, False),
        (replace(study(False), source="a", unknown=frozenset({HARDWARE})), "fracture", False, None),
        (replace(study(True, FRACTURE), unknown=frozenset({HARDWARE})), "abnormality", True, None),
    ],
)
def test_what_a_source_says_of_a_category(
    given: Study, means: str, fracture: bool | None, hardware: bool | None
) -> None:
    assert known_finding(given, FRACTURE, means) is fracture
    assert known_finding(given, HARDWARE, means) is hardware


def test_unknown_counts_for_neither_side() -> None:
    studies = [study(True, FRACTURE), study(False), study(True, silent=True)]
    assert finding_counts(studies, (FRACTURE, HARDWARE)) == {FRACTURE: (1, 1), HARDWARE: (0, 2)}
    assert finding_counts(studies, (FRACTURE, HARDWARE), "fracture") == {
        FRACTURE: (2, 1),
        HARDWARE: (0, 1),
    }
