"""Two numbers and moved heads from few films, against references and laws (issue 16, item 3)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, special

from ulna.calibration.adapt.films import HospitalFilms
from ulna.calibration.adapt.fit import (
    HeadPlan,
    changed_logit,
    cross_fitted_logit,
    fit_change,
    fit_changes,
    fit_shift,
)
from ulna.errors import ConfigError
from ulna.types import BodyPart


def make_films(n: int, seed: int = 0, told: float = 1.0, views: int = 1) -> HospitalFilms:
    """n patients of one study; two experts see the truth `told` times, features see it too."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 2, n)
    study = np.repeat(np.arange(n), views)
    experts = told * truth[study] + rng.normal(0, 0.5, (2, n * views))
    looked = [rng.normal(0, 1, (n * views, c)) for c in (6, 40)]
    for x in looked:
        x[:, 0] += truth[study]
    return HospitalFilms(
        logit=experts.mean(axis=0),
        experts=experts,
        gain=np.full((n * views, 2), 0.5),
        looked=tuple(looked),
        study=study,
        abnormal=rng.random(n) < special.expit(truth),
        patient=np.array([f"p{k:03d}" for k in range(n)]),
        part=(BodyPart.WRIST,) * n,
    )


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (3.0, 4.0), (0.5, -2.0)])
def test_a_shift_of_the_hospital_is_undone(scale: float, offset: float) -> None:
    films = make_films(600)
    found = fit_shift(films, films.logit * scale - offset)
    plain = fit_shift(films, films.logit)
    assert found.scale / plain.scale == pytest.approx(scale, rel=0.1)
    p, q = (s.of(z) for s, z in ((found, films.logit * scale - offset), (plain, films.logit)))
    np.testing.assert_allclose(p, q, atol=0.5)  # the priors draw to the bundle's own scale


def test_order_of_the_answers_stays_under_recalibration() -> None:
    films = make_films(20)
    found = fit_shift(films, films.logit).of(films.logit)
    np.testing.assert_array_equal(np.argsort(found), np.argsort(films.logit))


@pytest.mark.parametrize("freedom", [0.3, 1.0, 4.0])
def test_a_change_is_the_penalised_regression_with_the_own_logit_as_offset(freedom: float) -> None:
    films = make_films(24, views=2)
    for expert in (0, 1):
        shift = fit_shift(films, films.experts[expert])
        base, looked = shift.of(films.experts[expert]), films.looked[expert]
        x = looked - looked.mean(axis=0)
        x /= np.sqrt((x**2).sum(axis=1).mean())

        def loss(w: np.ndarray, base: np.ndarray = base, x: np.ndarray = x) -> float:
            f = base + x @ w[:-1] + w[-1]
            prior = 0.5 * ((w[:-1] / freedom) ** 2).sum() + 0.5 * (w[-1] / 2) ** 2
            return float(np.logaddexp(0, np.where(films.label, -f, f)).sum() + prior)

        wanted = optimize.minimize(loss, np.zeros(x.shape[1] + 1), options={"gtol": 1e-6}).x
        change = fit_change(films, expert, HeadPlan(freedom))
        found = change.of(looked) / shift.scale
        np.testing.assert_allclose(found, x @ wanted[:-1], atol=2e-3)


def test_little_freedom_leaves_the_heads_where_they_are() -> None:
    films = make_films(20)
    found = changed_logit(films, fit_changes(films, HeadPlan(0.01)))
    assert np.abs(found - films.logit).max() < 0.02


def test_a_head_that_says_nothing_learns_from_its_features() -> None:
    rng = np.random.default_rng(3)
    films, others = make_films(60, 1, told=0.0), make_films(400, 2, told=0.0)
    changes = fit_changes(films, HeadPlan(4.0))
    assert _auroc(others, others.logit) < 0.6
    assert _auroc(others, changed_logit(others, changes)) > 0.75
    nothing = replace(films, abnormal=rng.permutation(films.abnormal))
    assert _auroc(others, changed_logit(others, fit_changes(nothing, HeadPlan(4.0)))) < 0.7


def _auroc(films: HospitalFilms, logit: np.ndarray) -> float:
    a, b = logit[films.label], logit[~films.label]
    return float((a[:, None] > b).mean())


def test_the_own_label_has_no_say_in_a_cross_fitted_answer() -> None:
    films = make_films(8, views=2)
    plan = HeadPlan()
    found = cross_fitted_logit(films, plan)
    for k in range(8):  # fewer patients than folds: each is left out alone
        rest = films.of(np.arange(8) != k)
        wanted = changed_logit(films, fit_changes(rest, plan))
        own = films.study == k
        np.testing.assert_allclose(found[own], wanted[own])


def test_features_without_any_difference_change_nothing() -> None:
    films = make_films(20)
    same = replace(films, looked=tuple(np.ones_like(x) for x in films.looked))
    np.testing.assert_array_equal(changed_logit(same, fit_changes(same, HeadPlan())), same.logit)


def test_chosen_studies_keep_their_images() -> None:
    films = make_films(9, views=3)
    chosen = np.arange(9) % 2 == 1
    some = films.of(chosen)
    np.testing.assert_array_equal(some.logit, films.logit[chosen[films.study]])
    np.testing.assert_array_equal(some.label, films.label[chosen[films.study]])
    wanted = films.probability(films.logit)[chosen]
    np.testing.assert_allclose(some.probability(some.logit), wanted)


def test_freedom_outside_its_bounds_is_refused() -> None:
    for freedom in (0.0, -1.0, float("nan"), 1e9):
        with pytest.raises(ConfigError, match="freedom"):
            HeadPlan(freedom)
