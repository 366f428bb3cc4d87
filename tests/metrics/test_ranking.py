"""Laws of ROC and precision-recall measures, against scikit-learn, with and without ties."""

import math

import numpy as np
import pytest
from sklearn import metrics as reference

from ulna import metrics
from ulna.errors import ConfigError
from ulna.metrics.ranking import weighted_auroc, weighted_average_precision


def sample(seed: int, ties: bool, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.4
    score = rng.normal(size=n) + truth
    return truth, np.round(score) if ties else score


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_areas_equal_scikit_learn(seed: int, ties: bool) -> None:
    truth, score = sample(seed, ties)
    assert metrics.auroc(truth, score) == pytest.approx(reference.roc_auc_score(truth, score))
    assert metrics.average_precision(truth, score) == pytest.approx(
        reference.average_precision_score(truth, score)
    )


@pytest.mark.parametrize("ties", [False, True])
def test_weighted_areas_equal_scikit_learn_on_repeated_studies(ties: bool) -> None:
    truth, score = sample(1, ties)
    weights = np.random.default_rng(2).integers(0, 4, size=(20, len(truth)))
    areas = weighted_auroc(truth, score, weights)
    precisions = weighted_average_precision(truth, score, weights)
    for row, area, precision in zip(weights, areas, precisions, strict=True):
        again_truth, again_score = np.repeat(truth, row), np.repeat(score, row)
        assert area == pytest.approx(reference.roc_auc_score(again_truth, again_score))
        assert precision == pytest.approx(
            reference.average_precision_score(again_truth, again_score)
        )


def test_auroc_of_falling_scores_is_the_complement() -> None:
    truth, score = sample(3, ties=True)
    assert metrics.auroc(truth, -score) == pytest.approx(1 - metrics.auroc(truth, score))


def test_auroc_depends_on_order_only() -> None:
    truth, score = sample(4, ties=False)
    assert metrics.auroc(truth, np.exp(score)) == metrics.auroc(truth, score)


def test_all_tied_is_chance() -> None:
    assert metrics.auroc([0, 1, 1], [2, 2, 2]) == 0.5
    assert metrics.average_precision([0, 1, 1], [2, 2, 2]) == pytest.approx(2 / 3)


def test_one_class_is_nan() -> None:
    assert math.isnan(metrics.auroc([1, 1], [0.1, 0.2]))
    assert math.isnan(metrics.auroc([0, 0], [0.1, 0.2]))
    assert math.isnan(metrics.average_precision([0, 0], [0.1, 0.2]))
    assert metrics.average_precision([1, 1], [0.1, 0.2]) == 1


@pytest.mark.parametrize("ties", [False, True])
def test_curves_equal_scikit_learn(ties: bool) -> None:
    truth, score = sample(5, ties)
    roc = metrics.roc_curve(truth, score)
    fpr, tpr, thresholds = reference.roc_curve(truth, score, drop_intermediate=False)
    np.testing.assert_allclose(roc.x, fpr)
    np.testing.assert_allclose(roc.y, tpr)
    np.testing.assert_allclose(roc.thresholds[1:], thresholds[1:])
    pr = metrics.pr_curve(truth, score)
    precision, recall, _ = reference.precision_recall_curve(truth, score)
    np.testing.assert_allclose(pr.x, recall[::-1])
    np.testing.assert_allclose(pr.y, precision[::-1])


def test_area_under_the_roc_points_is_the_auroc() -> None:
    truth, score = sample(6, ties=True)
    roc = metrics.roc_curve(truth, score)
    assert np.trapezoid(roc.y, roc.x) == pytest.approx(metrics.auroc(truth, score))


@pytest.mark.parametrize("bad", [[0.1], [0.1, np.nan], [0.1, np.inf], [[0.1, 0.2]]])
def test_bad_scores_are_refused(bad: list[object]) -> None:
    with pytest.raises(ConfigError, match="score"):
        metrics.auroc([0, 1], bad)
