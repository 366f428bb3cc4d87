"""Laws of the Brier score's terms."""

import numpy as np
import pytest
import torch
from sklearn.metrics import brier_score_loss
from torchmetrics.functional.classification import binary_calibration_error

from ulna import metrics
from ulna.metrics.brier_decomposition import TERMS, weighted_brier_terms
from ulna.metrics.probability import ECE_BINS


def _sample(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.6, 1.0, n)
    return rng.random(n) < 0.8 * p + 0.05, p


@pytest.mark.parametrize("n", [1, 7, 50, 400])
@pytest.mark.parametrize("bins", [1, 4, 15])
def test_terms_add_up_to_the_brier_score(n: int, bins: int) -> None:
    truth, p = _sample(n, n)
    t = metrics.brier_terms(truth, p, bins)
    total = t.reliability - t.resolution + t.uncertainty + t.within
    assert total == pytest.approx(brier_score_loss(truth, p), abs=1e-12)


def test_reliability_is_the_squared_l2_calibration_error_of_torchmetrics() -> None:
    truth, p = _sample(300)
    target = torch.tensor(truth.astype(int))
    for norm, mine in (
        ("l2", np.sqrt(metrics.brier_terms(truth, p).reliability)),
        ("l1", metrics.ece(truth, p)),
    ):
        reference = binary_calibration_error(torch.tensor(p), target, n_bins=ECE_BINS, norm=norm)
        assert mine == pytest.approx(float(reference), abs=1e-6)


def test_nothing_within_where_a_bin_states_one_probability() -> None:
    rng = np.random.default_rng(4)
    p = (rng.integers(0, ECE_BINS, 200) + 0.5) / ECE_BINS
    truth = rng.random(200) < p
    result = metrics.brier_terms(truth, p)
    assert result.within == pytest.approx(0, abs=1e-12)
    assert result.uncertainty == pytest.approx(truth.mean() * (1 - truth.mean()))


def test_certain_answers() -> None:
    right = metrics.brier_terms([0, 0, 1, 1], [0.0, 0.0, 1.0, 1.0])
    assert (right.reliability, right.resolution, right.uncertainty) == (0, 0.25, 0.25)
    wrong = metrics.brier_terms([0, 0, 1, 1], [1.0, 1.0, 0.0, 0.0])
    assert (wrong.reliability, wrong.resolution) == (1, 0.25)


def test_weights_repeat_studies() -> None:
    truth, p = _sample(50)
    weights = np.random.default_rng(2).integers(0, 3, size=(7, 50))
    result = weighted_brier_terms(truth, p, weights)
    for d, row in enumerate(weights):
        expected = metrics.brier_terms(np.repeat(truth, row), np.repeat(p, row))
        for name in TERMS:
            assert result[name][d] == pytest.approx(getattr(expected, name), abs=1e-12)
