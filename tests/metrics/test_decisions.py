"""Properties of the metrics of binary decisions, against scikit-learn."""

import math
import warnings

import numpy as np
import pytest
from sklearn import metrics as reference

from ulna import metrics
from ulna.errors import ConfigError

PAIRS = {
    "sensitivity": reference.recall_score,
    "precision": reference.precision_score,
    "f1": reference.f1_score,
    "accuracy": reference.accuracy_score,
    "cohen_kappa": reference.cohen_kappa_score,
}


@pytest.mark.parametrize("name", sorted(PAIRS))
@pytest.mark.parametrize("seed", range(5))
def test_measure_equals_scikit_learn(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, answer = rng.random(50) < 0.4, rng.random(50) < 0.5
    assert getattr(metrics, name)(truth, answer) == pytest.approx(PAIRS[name](truth, answer))


def test_specificity_is_sensitivity_of_the_complement() -> None:
    rng = np.random.default_rng(0)
    truth, answer = rng.random(40) < 0.5, rng.random(40) < 0.5
    assert metrics.specificity(truth, answer) == metrics.sensitivity(~truth, ~answer)
    assert metrics.specificity(truth, answer) == reference.recall_score(~truth, ~answer)


def test_counts_equal_scikit_learn_and_sum_to_n() -> None:
    truth, answer = np.array([1, 1, 0, 0, 0]), np.array([1, 0, 1, 0, 0])
    tp, fp, fn, tn = metrics.confusion_counts(truth, answer)
    assert (tn, fp, fn, tp) == tuple(reference.confusion_matrix(truth, answer).ravel())
    assert tp + fp + fn + tn == 5


@pytest.mark.parametrize(
    ("name", "truth", "answer"),
    [
        ("sensitivity", [0, 0], [0, 1]),
        ("specificity", [1, 1], [0, 1]),
        ("precision", [0, 1], [0, 0]),
        ("f1", [0, 0], [0, 0]),
        ("cohen_kappa", [1, 1], [1, 1]),
    ],
)
def test_undefined_is_nan_without_warning(name: str, truth: list[int], answer: list[int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(getattr(metrics, name)(truth, answer))


def test_official_leaderboard_kappa_convention() -> None:
    # MURA's kappa is Cohen's of study answers against the labels: perfect 1, chance 0.
    assert metrics.cohen_kappa([0, 1, 0, 1], [0, 1, 0, 1]) == 1
    assert metrics.cohen_kappa([0, 1, 0, 1], [0, 0, 1, 1]) == 0


@pytest.mark.parametrize("bad", [[], [[1, 0]], [0, 2], ["a", "b"], [0.5, 1]])
def test_labels_other_than_flags_are_refused(bad: list[object]) -> None:
    with pytest.raises(ConfigError, match="y_true"):
        metrics.accuracy(np.array(bad), [1, 0])


def test_answers_of_another_length_are_refused() -> None:
    with pytest.raises(ConfigError):
        metrics.accuracy([0, 1, 1], [0, 1])
