"""Conformal p-values: those of crepes, and the promise they make, simulated."""

from __future__ import annotations

import numpy as np
import pytest
from crepes import ConformalClassifier

from ulna.bundle import ConformalScores
from ulna.errors import BundleError, ConfigError
from ulna.runtime.conformal import p_values
from ulna.types import Triage, triage_of

PARTS = ("ELBOW", "WRIST")


def _sorted(values: np.ndarray) -> tuple[float, ...]:
    return tuple(np.sort(values).tolist())


def test_p_values_are_those_of_crepes() -> None:
    rng = np.random.default_rng(0)
    # rounded, so that ties occur
    part = rng.integers(2, size=140)
    label = rng.random(140) < 0.4
    p = np.round(np.clip(rng.normal(0.3 + 0.3 * label + 0.1 * part, 0.2), 0, 1), 2)
    new_part = rng.integers(2, size=60)
    new = np.round(rng.random(60), 2)
    wanted = {}
    for name, chosen, sign in (("normal", ~label, 1), ("abnormal", label, -1)):
        reference = ConformalClassifier().fit(sign * p[chosen], bins=part[chosen])
        wanted[name] = reference.predict_p(
            (sign * new)[:, None], bins=new_part, smoothing=False
        ).ravel()
    scores = {
        k: ConformalScores(_sorted(p[(part == k) & ~label]), _sorted(p[(part == k) & label]))
        for k in (0, 1)
    }
    result = np.array([p_values(v, scores[k]) for v, k in zip(new, new_part, strict=True)])
    np.testing.assert_allclose(result[:, 0], wanted["normal"], atol=1e-12)
    np.testing.assert_allclose(result[:, 1], wanted["abnormal"], atol=1e-12)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("worth", [0.0, 1.5])  # of the model: none, and some
def test_the_true_label_is_ruled_out_as_often_as_promised(rate: float, worth: float) -> None:
    rng = np.random.default_rng(1)
    draws, n_calibration = 1000, 39
    kept = {"normal": 0, "abnormal": 0}
    for _ in range(draws):
        normal, abnormal = rng.normal(0, 1, n_calibration), rng.normal(worth, 2, n_calibration)
        new = rng.normal(0, 1), rng.normal(worth, 2)
        squash = lambda z: 1 / (1 + np.exp(-np.asarray(z)))  # noqa: E731
        scores = ConformalScores(_sorted(squash(normal)), _sorted(squash(abnormal)))
        kept["normal"] += p_values(float(squash(new[0])), scores)[0] > rate
        kept["abnormal"] += p_values(float(squash(new[1])), scores)[1] > rate
    # (n + 1) * rate is a whole number here, so the share is exact but for chance
    deviation = np.sqrt(rate * (1 - rate) / draws)
    for share in (count / draws for count in kept.values()):
        assert abs(share - (1 - rate)) < 3.5 * deviation


def test_few_calibration_studies_rule_nothing_out() -> None:
    scores = ConformalScores((0.1, 0.2, 0.3), ())
    assert p_values(0.99, scores) == (0.25, 1.0)
    assert triage_of(*p_values(0.99, scores), error_rate=0.1) is Triage.REFER
    assert triage_of(*p_values(0.99, scores), error_rate=0.3) is Triage.ABNORMAL


def test_p_values_move_with_the_probability() -> None:
    rng = np.random.default_rng(2)
    scores = ConformalScores(_sorted(rng.random(30)), _sorted(rng.random(20)))
    result = np.array([p_values(p, scores) for p in np.linspace(0, 1, 101)])
    assert (np.diff(result[:, 0]) <= 0).all() and (np.diff(result[:, 1]) >= 0).all()
    assert result.min() > 0 and result.max() == 1


def test_triage_names_the_label_that_is_left() -> None:
    assert triage_of(0.5, 0.01, 0.05) is Triage.NORMAL
    assert triage_of(0.01, 0.5, 0.05) is Triage.ABNORMAL
    assert triage_of(0.5, 0.5, 0.05) is triage_of(0.01, 0.01, 0.05) is Triage.REFER
    for rate in (0.0, 1.0, float("nan")):
        with pytest.raises(ConfigError, match="error rate"):
            triage_of(0.5, 0.5, rate)


@pytest.mark.parametrize("values", [(0.5, 0.4), (0.2, 1.1), (float("nan"),)])
def test_scores_are_ascending_probabilities(values: tuple[float, ...]) -> None:
    with pytest.raises(BundleError, match="ascending"):
        ConformalScores(values, ())
    with pytest.raises(BundleError, match="ascending"):
        ConformalScores((), values)
