"""Body parts with few calibration studies: the numbers of crepes, and the guarantee holds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from crepes import ConformalClassifier
from scipy import special, stats

from ulna.bundle import ComparedParts, ConformalScores
from ulna.calibration.compared_parts import ENOUGH, compared_parts, guarantee_holds
from ulna.runtime.conformal import p_values
from ulna.types import BodyPart, Triage, triage_of

ELBOW, FOREARM, HAND = BodyPart.ELBOW, BodyPart.FOREARM, BodyPart.HAND
HUMERUS, SHOULDER, WRIST = BodyPart.HUMERUS, BodyPart.SHOULDER, BodyPart.WRIST


def _scores(
    rng: np.random.Generator, normal: int, abnormal: int, by: float = 0.0
) -> ConformalScores:
    """Scores of studies whose logits are normal around -1.5 and 1.5, shifted by `by`."""
    return ConformalScores(
        tuple(np.sort(special.expit(rng.normal(by - 1.5, 1, normal))).tolist()),
        tuple(np.sort(special.expit(rng.normal(by + 1.5, 1, abnormal))).tolist()),
    )


def _few(rng: np.random.Generator) -> dict[BodyPart, ConformalScores]:
    """Scores with the numbers of studies of a real collection."""
    return {
        ELBOW: _scores(rng, 54, 23),
        FOREARM: _scores(rng, 188, 97),
        HAND: _scores(rng, 305, 118),
        HUMERUS: _scores(rng, 72, 13),
        SHOULDER: _scores(rng, 48, 7),
        WRIST: ConformalScores((), (0.8,)),
    }


def test_a_part_takes_its_region_and_then_all() -> None:
    result = compared_parts(_few(np.random.default_rng(0)))
    assert set(result) == {ELBOW, HUMERUS, SHOULDER, WRIST}
    assert result[ELBOW] == ComparedParts((ELBOW,), (ELBOW, FOREARM))
    assert result[WRIST] == ComparedParts((HAND, WRIST), (HAND, WRIST))
    everything = (ELBOW, FOREARM, HAND, HUMERUS, SHOULDER, WRIST)
    assert result[HUMERUS] == ComparedParts((HUMERUS,), everything)


def test_a_part_for_which_the_guarantee_fails_uses_its_own_studies() -> None:
    rng = np.random.default_rng(1)
    scores = _few(rng) | {HUMERUS: _scores(rng, 72, 13, by=-3.0)}
    assert HUMERUS not in compared_parts(scores)


def test_with_few_studies_of_all_parts_each_uses_its_own() -> None:
    rng = np.random.default_rng(2)
    assert compared_parts({p: _scores(rng, 9, 9) for p in (ELBOW, HAND)}) == {}
    assert compared_parts({p: _scores(rng, ENOUGH, ENOUGH) for p in (ELBOW, HAND)}) == {}


def test_p_values_are_those_of_crepes_without_bins() -> None:
    rng = np.random.default_rng(3)
    scores = {p: _scores(rng, 20, 15) for p in (ELBOW, FOREARM)}
    together = ComparedParts((ELBOW, FOREARM), (ELBOW, FOREARM)).scores(scores)
    new = rng.random(50)
    low = np.concatenate([s.abnormal for s in scores.values()])
    reference = ConformalClassifier().fit(-low).predict_p(-new[:, None], smoothing=False).ravel()
    np.testing.assert_allclose([p_values(v, together)[1] for v in new], reference, atol=1e-12)


@pytest.mark.parametrize(("label", "sign"), [("normal", 1), ("abnormal", -1)])
def test_the_guarantee_holds_unless_the_binomial_test_rejects_it(label: str, sign: int) -> None:
    others = np.linspace(0.3, 0.7, 99)
    for missed, n in [(0, 10), (1, 10), (2, 10), (4, 10), (9, 10)]:
        own = np.full(n, 0.5)
        own[:missed] = 0.5 + sign * 0.5
        speaks = all(
            stats.binomtest(missed, n, rate, "greater").pvalue >= 0.05 / 3
            for rate in (0.05, 0.1, 0.2)
        )
        assert guarantee_holds(own.tolist(), others.tolist(), label) == speaks  # type: ignore[arg-type]


def test_the_promise_holds_and_fewer_are_referred() -> None:
    """Report: at 0.05 nearly all elbows, humeri and shoulders were left to a reader."""
    rng = np.random.default_rng(4)
    kept: dict[tuple[BodyPart, str], list[bool]] = {}
    referred: dict[str, list[bool]] = {"alone": [], "together": []}
    for _ in range(300):
        scores = _few(rng)
        parts = compared_parts(scores)
        for part, label in product((ELBOW, HUMERUS, SHOULDER), ("normal", "abnormal")):
            together = parts[part].scores(scores) if part in parts else scores[part]
            (value,) = getattr(_scores(rng, 1, 1), label)
            p = p_values(value, together)
            kept.setdefault((part, label), []).append(p[label == "abnormal"] > 0.05)
            referred["together"].append(triage_of(*p, 0.05) is Triage.REFER)
            alone = triage_of(*p_values(value, scores[part]), 0.05)
            referred["alone"].append(alone is Triage.REFER)
    for group, flags in kept.items():
        assert np.mean(flags) > 0.91, group
    assert np.mean(referred["together"]) < 0.5 * np.mean(referred["alone"])
