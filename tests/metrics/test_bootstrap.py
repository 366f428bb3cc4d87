"""The bootstrap against closed forms and against explicit sampling of patients."""

import math

import numpy as np
import pytest
from scipy import stats

from ulna.errors import ConfigError
from ulna.metrics import auroc, bootstrap_interval, bootstrap_intervals
from ulna.metrics.bootstrap import draw_weights
from ulna.metrics.inputs import Floats
from ulna.metrics.ranking import weighted_auroc


def share_of(flags: np.ndarray) -> object:
    def statistic(weights: Floats) -> Floats:
        return weights @ flags / weights.sum(axis=1)

    return statistic


def test_interval_of_a_share_is_the_binomial_one() -> None:
    flags = np.r_[np.ones(60), np.zeros(140)]
    result = bootstrap_interval([str(i) for i in range(200)], share_of(flags), draws=20_000)
    law = stats.binom(200, 0.3)
    assert result.value == pytest.approx(0.3)
    assert result.low == pytest.approx(law.ppf(0.025) / 200, abs=0.006)
    assert result.high == pytest.approx(law.ppf(0.975) / 200, abs=0.006)


def test_studies_of_one_patient_stay_together() -> None:
    ids = np.repeat([f"p{i}" for i in range(50)], 4)
    for weights in draw_weights(ids, 30, seed=1):
        by_patient = weights.reshape(-1, 50, 4)[:, [int(p[1:]) for p in np.unique(ids)]]
        assert (by_patient == by_patient[..., :1]).all()
        assert (by_patient[..., 0].sum(axis=1) == 50).all()


def test_clusters_widen_the_interval_by_the_root_of_their_size() -> None:
    flags = np.repeat(np.arange(100) % 2, 4).astype(float)
    alone = bootstrap_interval([str(i) for i in range(400)], share_of(flags), draws=4000)
    together = bootstrap_interval(
        [f"{i // 4:03d}" for i in range(400)], share_of(flags), draws=4000
    )
    ratio = (together.high - together.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(2, rel=0.12)


def test_weights_give_the_auroc_of_the_taken_studies() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(40) < 0.5
    score = rng.normal(size=40) + truth
    ids = [f"{i // 2:02d}" for i in range(40)]
    weights = next(draw_weights(ids, 10, seed=3))
    for row, area in zip(weights, weighted_auroc(truth, score, weights), strict=True):
        taken = np.repeat(np.arange(40), row.astype(int))
        assert area == pytest.approx(auroc(truth[taken], score[taken]))


def test_one_class_draws_are_dropped_and_counted() -> None:
    truth, score = np.array([1, 0, 0]), np.array([0.9, 0.1, 0.2])
    result = bootstrap_interval(
        ["a", "b", "c"], lambda w: weighted_auroc(truth, score, w), draws=4000
    )
    # One class only: the abnormal patient never taken (8/27) or always (1/27).
    assert result.dropped / result.draws == pytest.approx(9 / 27, abs=0.03)
    assert (result.value, result.low, result.high) == (1, 1, 1)


def test_undefined_value_has_no_interval() -> None:
    result = bootstrap_interval(
        ["a", "b"], lambda w: weighted_auroc([1, 1], [0.1, 0.2], w), draws=10
    )
    assert math.isnan(result.value) and math.isnan(result.low) and result.dropped == 10


def test_same_seed_same_interval_and_paired_draws() -> None:
    flags = np.random.default_rng(0).random(30)
    ids = [str(i) for i in range(30)]
    both = bootstrap_intervals(ids, {"a": share_of(flags), "b": share_of(flags)}, draws=200, seed=5)
    assert both["a"] == both["b"] == bootstrap_interval(ids, share_of(flags), 200, seed=5)
    assert both["a"] != bootstrap_interval(ids, share_of(flags), 200, seed=6)


@pytest.mark.parametrize(("ids", "draws", "level"), [([], 9, 0.9), (["a"], 0, 0.9), (["a"], 9, 1)])
def test_bad_settings_are_refused(ids: list[str], draws: int, level: float) -> None:
    with pytest.raises(ConfigError):
        bootstrap_interval(ids, lambda w: w.sum(axis=1), draws, level=level)
