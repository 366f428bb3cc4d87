"""Recalibration and moved heads from few images, against references and known properties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, special

from ulna.calibration.adapt.fit import (
    HeadPlan,
    changed_logit,
    cross_fitted_logit,
    fit_change,
    fit_changes,
    fit_shift,
)
from ulna.calibration.adapt.images import HospitalImages
from ulna.errors import ConfigError
from ulna.types import BodyPart


def make_images(n: int, seed: int = 0, signal: float = 1.0, views: int = 1) -> HospitalImages:
    """n patients of one study; experts see the truth times `signal`, and features contain it."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 2, n)
    study = np.repeat(np.arange(n), views)
    experts = signal * truth[study] + rng.normal(0, 0.5, (2, n * views))
    attended = [rng.normal(0, 1, (n * views, c)) for c in (6, 40)]
    for x in attended:
        x[:, 0] += truth[study]
    return HospitalImages(
        logit=experts.mean(axis=0),
        experts=experts,
        gain=np.full((n * views, 2), 0.5),
        attended=tuple(attended),
        study=study,
        abnormal=rng.random(n) < special.expit(truth),
        patient=np.array([f"p{k:03d}" for k in range(n)]),
        part=(BodyPart.WRIST,) * n,
    )


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (3.0, 4.0), (0.5, -2.0)])
def test_a_shift_of_the_hospital_is_undone(scale: float, offset: float) -> None:
    images = make_images(600)
    result = fit_shift(images, images.logit * scale - offset)
    plain = fit_shift(images, images.logit)
    assert result.scale / plain.scale == pytest.approx(scale, rel=0.1)
    p, q = (s.of(z) for s, z in ((result, images.logit * scale - offset), (plain, images.logit)))
    np.testing.assert_allclose(p, q, atol=0.5)  # the priors draw to the bundle's own scale


def test_order_of_the_answers_stays_under_recalibration() -> None:
    images = make_images(20)
    result = fit_shift(images, images.logit).of(images.logit)
    np.testing.assert_array_equal(np.argsort(result), np.argsort(images.logit))


@pytest.mark.parametrize("freedom", [0.3, 1.0, 4.0])
def test_a_change_is_the_penalised_regression_with_the_own_logit_as_offset(freedom: float) -> None:
    images = make_images(24, views=2)
    for expert in (0, 1):
        shift = fit_shift(images, images.experts[expert])
        base, attended = shift.of(images.experts[expert]), images.attended[expert]
        x = attended - attended.mean(axis=0)
        x /= np.sqrt((x**2).sum(axis=1).mean())

        def loss(w: np.ndarray, base: np.ndarray = base, x: np.ndarray = x) -> float:
            f = base + x @ w[:-1] + w[-1]
            prior = 0.5 * ((w[:-1] / freedom) ** 2).sum() + 0.5 * (w[-1] / 2) ** 2
            return float(np.logaddexp(0, np.where(images.label, -f, f)).sum() + prior)

        wanted = optimize.minimize(loss, np.zeros(x.shape[1] + 1), options={"gtol": 1e-6}).x
        change = fit_change(images, expert, HeadPlan(freedom))
        result = change.of(attended) / shift.scale
        np.testing.assert_allclose(result, x @ wanted[:-1], atol=2e-3)


def test_little_freedom_leaves_the_heads_where_they_are() -> None:
    images = make_images(20)
    result = changed_logit(images, fit_changes(images, HeadPlan(0.01)))
    assert np.abs(result - images.logit).max() < 0.02


def test_an_uninformative_head_learns_from_its_features() -> None:
    rng = np.random.default_rng(3)
    images, others = make_images(60, 1, signal=0.0), make_images(400, 2, signal=0.0)
    changes = fit_changes(images, HeadPlan(4.0))
    assert _auroc(others, others.logit) < 0.6
    assert _auroc(others, changed_logit(others, changes)) > 0.75
    nothing = replace(images, abnormal=rng.permutation(images.abnormal))
    assert _auroc(others, changed_logit(others, fit_changes(nothing, HeadPlan(4.0)))) < 0.7


def _auroc(images: HospitalImages, logit: np.ndarray) -> float:
    a, b = logit[images.label], logit[~images.label]
    return float((a[:, None] > b).mean())


def test_a_cross_fitted_answer_does_not_depend_on_its_own_label() -> None:
    images = make_images(8, views=2)
    plan = HeadPlan()
    result = cross_fitted_logit(images, plan)
    for k in range(8):  # fewer patients than folds: each is left out alone
        rest = images.of(np.arange(8) != k)
        wanted = changed_logit(images, fit_changes(rest, plan))
        own = images.study == k
        np.testing.assert_allclose(result[own], wanted[own])


def test_features_without_any_difference_change_nothing() -> None:
    images = make_images(20)
    same = replace(images, attended=tuple(np.ones_like(x) for x in images.attended))
    np.testing.assert_array_equal(changed_logit(same, fit_changes(same, HeadPlan())), same.logit)


def test_chosen_studies_keep_their_images() -> None:
    images = make_images(9, views=3)
    chosen = np.arange(9) % 2 == 1
    some = images.of(chosen)
    np.testing.assert_array_equal(some.logit, images.logit[chosen[images.study]])
    np.testing.assert_array_equal(some.label, images.label[chosen[images.study]])
    wanted = images.probability(images.logit)[chosen]
    np.testing.assert_allclose(some.probability(some.logit), wanted)


def test_freedom_outside_its_bounds_is_refused() -> None:
    for freedom in (0.0, -1.0, float("nan"), 1e9):
        with pytest.raises(ConfigError, match="freedom"):
            HeadPlan(freedom)
