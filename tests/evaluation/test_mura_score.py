"""MURA's score: kappas against scikit-learn, the official keys, the ranking of entries."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from ulna.datasets.mura_answers import MuraStudy
from ulna.errors import DatasetError
from ulna.evaluation.mura_ranking import RADIOLOGISTS, archive, rank_of
from ulna.evaluation.mura_score import OVERALL, official_keys, score_mura
from ulna.evaluation.scores import Resampling
from ulna.types import BodyPart

HOW = Resampling(draws=300)
Answers = dict[MuraStudy, bool]


def _answers(
    wrong: float, parts: tuple[BodyPart, ...] = tuple(BodyPart)
) -> tuple[Answers, Answers]:
    rng = np.random.default_rng(7)
    labels, message = {}, {}
    for part in parts:
        for i in range(60):
            study = MuraStudy(part, f"patient{i // 2}", f"study{1 + i % 2}")
            labels[study] = bool(rng.random() < 0.45)
            message[study] = labels[study] ^ bool(rng.random() < wrong)
    return labels, message


def test_kappas_are_those_of_scikit_learn() -> None:
    labels, message = _answers(0.15)
    result = official_keys(score_mura(labels, message, HOW), legacy=False)
    assert len(result) == 3 * 8
    for name in (OVERALL, *BodyPart):
        own = [s for s in labels if name in (OVERALL, s.body_part)]
        expected = cohen_kappa_score([labels[s] for s in own], [message[s] for s in own])
        key = name.capitalize()
        assert result[f"{key}_Mean"] == pytest.approx(expected, abs=1e-12)
        assert result[f"{key}_Lower"] < expected < result[f"{key}_Upper"]


def test_the_legacy_interval_is_muras() -> None:
    labels, message = _answers(0.15)
    scores = score_mura(labels, message, HOW)
    legacy, right = (official_keys(scores, legacy=flag) for flag in (True, False))
    own = list(labels)
    agreed = np.mean([labels[s] == message[s] for s in own])
    rates = np.mean([labels[s] for s in own]), np.mean([message[s] for s in own])
    chance = rates[0] * rates[1] + (1 - rates[0]) * (1 - rates[1])
    half = 1.96 * agreed * (1 - agreed) / (len(own) * (1 - chance) ** 2)
    kappa = right["Overall_Mean"]
    assert kappa is not None
    assert legacy["Overall_Mean"] == kappa
    assert legacy["Overall_Lower"] == pytest.approx(kappa - half, abs=1e-12)
    assert legacy["Overall_Upper"] == pytest.approx(kappa + half, abs=1e-12)
    widths = [k["Overall_Upper"] - k["Overall_Lower"] for k in (legacy, right)]  # type: ignore[operator]
    assert widths[0] < 0.2 * widths[1]


def test_both_right_intervals_are_alike() -> None:
    labels, message = _answers(0.15)
    row = score_mura(labels, message, Resampling(draws=2000))[OVERALL]
    analytic = row["analytic"]["high"] - row["analytic"]["low"]
    bootstrap = row["bootstrap"]["high"] - row["bootstrap"]["low"]
    assert bootstrap == pytest.approx(analytic, rel=0.15)


def test_regions_without_studies_have_keys_without_values() -> None:
    labels, message = _answers(0.1, (BodyPart.WRIST,))
    result = official_keys(score_mura(labels, message, HOW), legacy=False)
    assert result["Wrist_Mean"] == result["Overall_Mean"] is not None
    assert result["Elbow_Mean"] is result["Elbow_Lower"] is result["Elbow_Upper"] is None


def test_one_answer_for_all_has_no_interval_of_luck() -> None:
    labels, _ = _answers(0.1, (BodyPart.WRIST,))
    result = score_mura(labels, dict.fromkeys(labels, True), HOW)[OVERALL]
    assert result["kappa"] == 0
    nothing = score_mura(dict.fromkeys(labels, False), dict.fromkeys(labels, False), HOW)[OVERALL]
    assert nothing["kappa"] is None and nothing["standing"] is None
    for interval in ("analytic", "bootstrap", "legacy"):
        assert nothing[interval]["low"] is nothing[interval]["high"] is None


def test_every_labelled_study_must_be_answered() -> None:
    labels, message = _answers(0.1)
    message.pop(next(iter(message)))
    with pytest.raises(DatasetError, match="1 of 420 labelled studies have no answer"):
        score_mura(labels, message, HOW)


def test_an_archived_entry_has_its_own_rank() -> None:
    kappas = archive()[OVERALL]
    assert len(kappas) == 98
    for i, kappa in enumerate(kappas):
        assert rank_of(OVERALL, kappa) == 1 + sum(k > kappa for k in kappas) <= i + 1
    assert rank_of(OVERALL, 1.0) == 1 and rank_of(OVERALL, -1.0) == 99
    assert set(archive()) == set(RADIOLOGISTS)


def test_a_perfect_answer_beats_every_radiologist_and_thirty_studies_tell_little() -> None:
    labels, message = _answers(0.0)
    overall = score_mura(labels, message, HOW)[OVERALL]["standing"]
    assert [r["verdict"] for r in overall["radiologists"]] == ["better"] * 3
    assert overall["rank"] == overall["rank_worst"] == 1
    labels, message = _answers(0.1)
    scores = score_mura(labels, message, HOW)
    where = scores["Elbow"]["standing"]
    assert where["rank_best"] <= where["rank"] <= where["rank_worst"]
    assert {r["verdict"] for r in where["radiologists"]} == {"not told apart"}
