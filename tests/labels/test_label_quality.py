"""Label quality: closed forms of score and flags, and how many wrong labels the order finds."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("cleanlab", reason="needs the extra review")

from ulna.errors import DatasetError
from ulna.labels.label_quality import MIN_PER_CLASS, LabelQuality, label_quality

SHARE = 0.05
PRIORS = {"HAND": 0.1, "ELBOW": 0.5, "SHOULDER": 0.35}


def _noisy(
    seed: int, n: int = 3000, apart: float = 4.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(given labels, P(given label is 1 | x), body parts, which were turned), all (N,).

    x is N(0, 1) of normal and N(apart, 1) of abnormal studies, so the probability is Bayes' own.
    """
    rng = np.random.default_rng(seed)
    parts = rng.choice(list(PRIORS), n)
    prior = np.array([PRIORS[p] for p in parts])
    truth = rng.random(n) < prior
    x = rng.normal(0, 1, n) + apart * truth
    odds = prior / (1 - prior) * np.exp(apart * x - apart**2 / 2)
    turned = rng.random(n) < SHARE
    clean = odds / (1 + odds)
    return truth ^ turned, clean * (1 - SHARE) + (1 - clean) * SHARE, parts, turned


def _quality(seed: int, **how: float) -> tuple[LabelQuality, np.ndarray]:
    labels, p, parts, turned = _noisy(seed, **how)
    return label_quality(labels, p, parts.tolist()), turned


def _result(score: np.ndarray, turned: np.ndarray) -> float:
    head = np.argsort(score, kind="stable")[: len(score) // 10]
    return float(turned[head].sum() / turned.sum())


def test_score_is_the_probability_of_the_given_label() -> None:
    labels, p, parts, _ = _noisy(0)
    score = label_quality(labels, p, parts.tolist()).score
    np.testing.assert_allclose(score, np.where(labels, p, 1 - p), atol=1e-12)
    margin = np.where(labels, 2 * p - 1, 1 - 2 * p)  # P(given) - P(other)
    np.testing.assert_array_equal(
        np.argsort(margin, kind="stable"), np.argsort(score, kind="stable")
    )


def test_flags_are_the_confident_joint_of_each_body_part() -> None:
    labels, p, parts, _ = _noisy(1, apart=2.0)
    result = label_quality(labels, p, parts.tolist())
    for part in PRIORS:
        own = parts == part
        bound = p[own & labels].mean(), (1 - p[own & ~labels]).mean()
        for i in np.flatnonzero(own):
            given, other = (p[i], 1 - p[i]) if labels[i] else (1 - p[i], p[i])
            wanted = bound[1] if labels[i] else bound[0]
            assert result.bound[i] == pytest.approx(wanted)
            assert result.flagged[i] == (other >= wanted - 1e-6 and other > given)


def test_a_part_with_few_of_a_class_takes_the_thresholds_of_all() -> None:
    labels, p, parts, _ = _noisy(2)
    few = np.flatnonzero(labels & (parts == "HAND"))[MIN_PER_CLASS - 1 :]
    kept = np.setdiff1d(np.arange(len(labels)), few)
    labels, p, parts = labels[kept], p[kept], parts[kept]
    result = label_quality(labels, p, parts.tolist())
    bound = result.bound
    np.testing.assert_array_equal(result.own, parts != "HAND")
    of_all = p[labels].mean()
    assert bound[(parts == "HAND") & ~labels] == pytest.approx(of_all)
    assert bound[(parts == "ELBOW") & ~labels] != pytest.approx(of_all)


def test_turned_labels_come_first() -> None:
    shares = [_result(q.score, turned) for q, turned in (_quality(s) for s in range(10))]
    assert min(shares) > 0.85  # apart by 4 standard deviations: 2 % of truth is doubtful
    weak = [_result(q.score, turned) for q, turned in (_quality(s, apart=2.0) for s in range(10))]
    assert 0.5 < np.mean(weak) < np.mean(shares)


def test_the_chance_of_being_wrong_is_the_one_stated() -> None:
    """e (1 - e - s) / ((1 - 2e) s), summed over any stretch of the list, counts its errors."""
    expected, seen = np.zeros(5), np.zeros(5)
    for seed in range(20):
        quality, turned = _quality(seed, apart=2.0)
        order, s = np.argsort(quality.score), quality.score
        wrong = SHARE * (1 - SHARE - s) / ((1 - 2 * SHARE) * s)
        for k, stretch in enumerate(np.array_split(order, 5)):
            expected[k] += wrong[stretch].sum()
            seen[k] += turned[stretch].sum()
    np.testing.assert_allclose(seen, expected, rtol=0.12, atol=12)


def test_taking_priors_out_finds_fewer() -> None:
    """Why cleanlab's `adjust_pred_probs` stays off: docs/review.md."""
    from cleanlab.rank import get_label_quality_scores

    plain, adjusted = [], []
    for seed in range(10):
        labels, p, parts, turned = _noisy(seed, apart=2.0)
        plain.append(_result(label_quality(labels, p, parts.tolist()).score, turned))
        score = np.empty(len(p))
        for part in PRIORS:
            own = parts == part
            both = np.stack([1 - p[own], p[own]], axis=1)
            score[own] = get_label_quality_scores(
                labels[own].astype(int), both, adjust_pred_probs=True
            )
        adjusted.append(_result(score, turned))
    assert np.mean(plain) > np.mean(adjusted) + 0.02


def test_what_cannot_be_ranked_is_refused() -> None:
    labels, p, parts, _ = _noisy(3, n=50)
    with pytest.raises(DatasetError, match="all 50 labels are equal"):
        label_quality(np.ones(50, np.bool_), p, parts.tolist())
    for bad in (1.2, -0.1, np.nan):
        with pytest.raises(DatasetError, match=r"outside \[0, 1\]"):
            label_quality(labels, np.where(np.arange(50) == 7, bad, p), parts.tolist())
