"""The worklist is sorted by urgency."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.runtime.predictions import prediction

from ulna.errors import ImageError
from ulna.runtime.answer_json import Outcome
from ulna.runtime.worklist import worklist


def test_worklist_has_the_abnormal_first_and_the_normal_last(tmp_path: Path) -> None:
    plain = prediction(tmp_path)
    p_values = [(0.5, 0.02), (0.3, 0.4), (0.01, 0.9), (0.9, 0.01), (0.05, 0.3), (0.4, 0.2)]
    answers = [replace(plain, p_normal=n, p_abnormal=a) for n, a in p_values]
    result = [o.answer for o in worklist([Outcome(a.study, a) for a in answers], 0.1)]
    order = [(0.01, 0.9), (0.05, 0.3), (0.3, 0.4), (0.4, 0.2), (0.5, 0.02), (0.9, 0.01)]
    assert [(a.p_normal, a.p_abnormal) for a in result if a] == order


def test_a_study_without_an_answer_has_its_place_in_a_worklist(tmp_path: Path) -> None:
    plain = prediction(tmp_path)
    sure, fine = (replace(plain, p_normal=n, p_abnormal=a) for n, a in ((0.01, 0.9), (0.9, 0.01)))
    lost = Outcome(plain.study, fault=ImageError("gone"))
    given = [Outcome(fine.study, fine), lost, Outcome(sure.study, sure)]
    assert worklist(given, 0.1) == [given[2], lost, given[0]]


def test_refused_studies_come_first_of_those_to_be_read(tmp_path: Path) -> None:
    whole = prediction(tmp_path)
    answers = [
        replace(whole, p_normal=n, p_abnormal=a) for n, a in ((0.01, 0.9), (0.5, 0.6), (0.9, 0.01))
    ]
    result = [Outcome(a.study, a) for a in answers]
    unsure = replace(whole, refused="blank", p_normal=None, p_abnormal=None)
    refused = Outcome(whole.study, unsure)
    assert worklist([*result[::-1], refused], 0.1) == [result[0], refused, *result[1:]]
