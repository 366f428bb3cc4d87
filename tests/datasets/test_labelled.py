"""Studies that cannot be trained on or scored are reported once, with counts."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from ulna.datasets.labelled import labelled
from ulna.datasets.left_out import LeftOut
from ulna.errors import DatasetWarning
from ulna.experiments.held_out import test_studies as to_evaluate
from ulna.types import BodyPart, ImageRef, Study


def study(number: int, part: BodyPart | None, label: bool | None) -> Study:
    return Study(f"p{number}", f"s{number}", part, (ImageRef(Path(f"{number}.png")),), label)


SOME = [study(i, BodyPart.WRIST, bool(i % 2)) for i in range(4)]
OTHERS = [
    *(study(10 + i, BodyPart.WRIST, None) for i in range(7)),
    study(20, BodyPart.HAND, True),
    study(30, None, True),
]


def test_reasons_counts_and_first_names_in_one_warning() -> None:
    with pytest.warns(DatasetWarning) as reported:
        kept = labelled([*SOME, *OTHERS], "training", [BodyPart.WRIST], part_needed=True)
    assert kept == SOME and len(reported) == 1
    text = str(reported[0].message)
    assert text.startswith("training: of 13 studies: 9 left out:\n  7 without a label: WRIST/p10")
    assert "and 2 more" in text and "1 of unknown body part: UNKNOWN/p30/s30" in text
    assert "1 of HAND, which is not among the requested body parts: HAND/p20/s20" in text


def test_nothing_is_said_where_nothing_is_left_out() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert labelled(SOME, "training", [BodyPart.WRIST]) == SOME
        assert labelled([OTHERS[-1]], "training", [BodyPart.WRIST]) == [OTHERS[-1]]
        assert labelled(OTHERS[:7], "training") == []  # an error of the caller's says more


def test_what_is_not_evaluated_is_reported() -> None:
    with pytest.warns(DatasetWarning, match="evaluation: of 13 studies: 7 left out"):
        chosen, words = to_evaluate([*SOME, *OTHERS], "", None)
    assert len(chosen) == 6 and words == "6 studies (all labelled studies)"


def test_many_reasons_are_counted_too() -> None:
    left = LeftOut()
    for reason in range(40):
        for name in range(reason + 1):
            left.add(f"because of {reason}", str(name))
    lines = str(left).splitlines()
    assert lines[0] == "820 left out:" and len(lines) == 14 and lines[1].startswith("  40 because")
    counts = [int(line.split()[0]) for line in lines[1:]]
    assert sum(counts) == 820 and lines[-1].endswith("for other reasons")
