"""The cascade's bound holds on new studies, and no study leaves where it cannot be shown."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import special, stats

from ulna.bundle import CascadeParameters, FusionParameters, Manifest, uncalibrated_fusion
from ulna.calibration.cascade_fit import (
    CascadeSettings,
    expert_order,
    fit_cascade,
    for_folds,
    upper_bound,
)
from ulna.calibration.part_scores import PartScores
from ulna.errors import ConfigError
from ulna.evaluation.cascade_scores import cascade_answer, cascade_scores
from ulna.evaluation.rows import Answer, StudyRow
from ulna.evaluation.scores import Resampling
from ulna.evaluation.triage_scores import binomial_interval
from ulna.types import BodyPart

WRIST, HAND, ELBOW = BodyPart.WRIST, BodyPart.HAND, BodyPart.ELBOW
COSTS = {"cheap": 1.0, "dear": 3.0}


def draw(rng: np.random.Generator, n: int, noise: tuple[float, ...] = (1.0, 1.0)) -> PartScores:
    """n studies of one view; expert e sees the true log odds with noise[e]."""
    z = rng.normal(0, 2.5, n)
    logits = np.stack([z + rng.normal(0, s, n) for s in noise], axis=1)
    return PartScores(logits, np.arange(n), rng.random(n) < special.expit(z))


def fusion_of(
    parts: tuple[BodyPart, ...], names: tuple[str, ...] = tuple(COSTS)
) -> FusionParameters:
    plain = uncalibrated_fusion(names, parts, "balanced")
    return replace(plain, n_calibration_studies=1)


def answered(
    result: CascadeParameters, fusion: FusionParameters, scores: PartScores, part: BodyPart
) -> tuple[np.ndarray, np.ndarray]:
    """The cascade's probability of each study of one view, and whether it left, by hand."""
    weights = fusion.weights[part]
    names, threshold = list(weights), fusion.thresholds["balanced"][part]
    whole = special.expit(scores.logits @ list(weights.values()))
    p, left = whole.copy(), np.zeros(len(whole), bool)
    for k, stage in enumerate(result.stages):
        run = np.array([weights[n] * (n in result.experts_after(k)) for n in names])
        z = (scores.logits @ (run / run.sum()) + stage.offsets[part]) / stage.temperatures[part]
        own = special.expit(z)
        low, high = stage.low["balanced"][part], stage.high["balanced"][part]
        assert low <= threshold <= high
        leaves = ~left & ((own < low) | (own > high))
        p[leaves], left = own[leaves], left | leaves
    return p, left


def changed(
    result: CascadeParameters, fusion: FusionParameters, scores: PartScores, part: BodyPart = WRIST
) -> float:
    """Share of studies whose decision differs from the whole hybrid's."""
    p, _ = answered(result, fusion, scores, part)
    whole = special.expit(scores.logits @ list(fusion.weights[part].values()))
    threshold = fusion.thresholds["balanced"][part]
    return float(np.mean((p >= threshold) != (whole >= threshold)))


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "draws"), [((1.0, 1.0), 1000), ((2.5, 0.5), 300)])
def test_the_bound_holds_in_a_thousand_draws(noise: tuple[float, float], draws: int) -> None:
    rng, fusion = np.random.default_rng(3), fusion_of((WRIST,))
    only = replace(fusion, thresholds={"balanced": {WRIST: 0.4}})
    new = draw(rng, 50_000, noise)
    over, left = [], []
    for _ in range(draws):
        result = fit_cascade({WRIST: draw(rng, 400, noise)}, only, COSTS)
        assert result is not None
        over.append(changed(result, only, new) > 0.01)
        left.append(answered(result, only, new, WRIST)[1].mean())
    assert np.mean(over) <= 0.10  # 1 - confidence
    assert np.mean(left) > 0.2  # and not by leaving nobody


def test_some_draws_hold_it_too() -> None:
    rng, fusion = np.random.default_rng(4), fusion_of((WRIST,))
    only = replace(fusion, thresholds={"balanced": {WRIST: 0.4}})
    new = draw(rng, 50_000)
    fits = [fit_cascade({WRIST: draw(rng, 400)}, only, COSTS) for _ in range(40)]
    over = [changed(f, only, new) > 0.01 for f in fits if f is not None]
    # 10 of 40 with a rate of 0.10 happen once in 300 times
    assert len(over) == 40 and sum(over) < 10


def test_the_check_on_the_calibration_studies_is_right() -> None:
    rng, fusion = np.random.default_rng(5), fusion_of((WRIST, HAND))
    scores = {p: draw(rng, 400) for p in (WRIST, HAND)}
    result = fit_cascade(scores, fusion, COSTS)
    assert result is not None
    check = result.checks["balanced"]
    parts = {p: answered(result, fusion, s, p) for p, s in scores.items()}
    assert check.n_studies == 800
    assert check.n_left == sum(left.sum() for _, left in parts.values()) > 200
    n = 800 * np.mean([changed(result, fusion, s, p) for p, s in scores.items()])
    assert check.n_changed == round(n)
    assert check.at_most <= result.disagreement == 0.01
    left = check.n_left / 800
    assert check.cost == pytest.approx(left * 0.25 + (1 - left))
    own = result.conformal["balanced"][WRIST]
    p, _ = parts[WRIST]
    assert own.normal == pytest.approx(np.sort(p[~scores[WRIST].abnormal]))
    assert own.abnormal == pytest.approx(np.sort(p[scores[WRIST].abnormal]))


def test_the_bound_is_that_of_clopper_and_pearson() -> None:
    for k, n in itertools.product((0, 1, 7), (30, 926)):
        assert upper_bound(k, n, 0.9) == pytest.approx(binomial_interval(k, n, 0.8)[1])
        assert stats.binom.cdf(k, n, upper_bound(k, n, 0.9)) == pytest.approx(0.1)
    assert upper_bound(5, 5, 0.9) == 1


def test_with_too_few_studies_none_leaves() -> None:
    rng, fusion = np.random.default_rng(6), fusion_of((WRIST,))
    few, enough = draw(rng, 229), draw(rng, 230)
    for scores, more in ((few, False), (enough, True)):
        result = fit_cascade({WRIST: scores}, fusion, COSTS)
        assert result is not None and result.n_needed == 230
        assert (result.checks["balanced"].n_left > 0) == more
        assert ("balanced" in result.conformal) == more
    loose = fit_cascade({WRIST: few}, fusion, COSTS, CascadeSettings(0.02))
    assert loose is not None and loose.checks["balanced"].n_left > 0


def test_nobody_leaves_of_a_part_with_few_studies_or_none() -> None:
    rng, fusion = np.random.default_rng(7), fusion_of((WRIST, HAND, ELBOW))
    result = fit_cascade({WRIST: draw(rng, 500), HAND: draw(rng, 19)}, fusion, COSTS)
    assert result is not None
    stage = result.stages[0]
    assert stage.high["balanced"][WRIST] < 1
    for part in (HAND, ELBOW):
        assert (stage.low["balanced"][part], stage.high["balanced"][part]) == (0, 1)


def test_the_better_the_first_expert_the_more_leave() -> None:
    rng, fusion = np.random.default_rng(8), fusion_of((WRIST,))
    left = []
    for share in (0.0, 0.5, 1.0):  # of what the second says, in the first
        scores = draw(rng, 500, (0.0, 0.0))
        scores.logits[:, 0] *= share
        scores.logits[:, 0] += rng.normal(0, 0.3, 500)
        result = fit_cascade({WRIST: scores}, fusion, COSTS)
        assert result is not None and result.checks["balanced"].at_most <= 0.01
        left.append(result.checks["balanced"].n_left)
    assert left[0] == 0 < left[1] < left[2]


def test_three_experts_leave_after_one_or_two() -> None:
    names = ("a", "b", "c")
    rng, fusion = np.random.default_rng(9), fusion_of((WRIST,), names)
    scores = draw(rng, 800, (1.0, 1.0, 1.0))
    result = fit_cascade({WRIST: scores}, fusion, {"a": 5.0, "b": 1.0, "c": 2.0})
    assert result is not None
    assert [s.experts for s in result.stages] == [("b",), ("c",)]
    assert result.checks["balanced"].n_left == answered(result, fusion, scores, WRIST)[1].sum()
    assert changed(result, fusion, draw(rng, 20_000, (1.0, 1.0, 1.0))) < 0.02


def test_order_is_by_weight_per_work() -> None:
    fusion = fusion_of((WRIST,))
    assert expert_order(fusion, {"cheap": 1.0, "dear": 3.0}) == ["cheap", "dear"]
    light = replace(fusion, weights={WRIST: {"cheap": 0.1, "dear": 0.9}})
    assert expert_order(light, {"cheap": 1.0, "dear": 1.2}) == ["dear", "cheap"]


def test_one_expert_has_no_cascade() -> None:
    fusion = fusion_of((WRIST,), ("only",))
    scores = draw(np.random.default_rng(1), 300, (1.0,))
    assert fit_cascade({WRIST: scores}, fusion, {"only": 1.0}) is None


def test_an_impossible_wish_is_refused() -> None:
    for wish in ({"disagreement": 0.0}, {"confidence": 1.0}):
        with pytest.raises(ConfigError, match="between 0 and 1"):
            CascadeSettings(**wish)


def test_copies_of_the_folds_run_together_and_are_not_measured(manifest: Manifest) -> None:
    rng, fusion = np.random.default_rng(2), fusion_of((WRIST,))
    result = fit_cascade({WRIST: draw(rng, 400)}, fusion, COSTS)
    assert result is not None and result.measured
    joint = for_folds(result, ["cheap-0", "dear-0", "cheap-1", "dear-1"], 2)
    assert joint.stages[0].experts == ("cheap-0", "cheap-1")
    assert joint.costs == {"cheap-0": 1.0, "dear-0": 3.0, "cheap-1": 1.0, "dear-1": 3.0}
    assert joint.stages[0].low == result.stages[0].low and not joint.measured
    with pytest.raises(ConfigError, match="expected 3 of each"):
        for_folds(result, ["cheap-0", "dear-0"], 3)


def row(number: int, abnormal: bool, p: float, cascade: float, skipped: bool) -> StudyRow:
    kept = cascade_answer(
        SimpleNamespace(  # type: ignore[arg-type]
            probability=cascade,
            abnormal=cascade >= 0.5,
            skipped_experts=("dear",) if skipped else (),
            experts={"cheap": p} if skipped else {"cheap": p, "dear": p},
        ),
        COSTS,
    )
    answer = Answer(WRIST, p, p >= 0.5, 0.5)
    images = (SimpleNamespace(refusal=""),)
    return StudyRow(
        f"s{number}", f"p{number}", WRIST, abnormal, given=answer, images=images, cascade=kept  # type: ignore[arg-type]
    )  # fmt: skip


def test_scores_count_what_changed_and_what_it_cost() -> None:
    rows = [
        row(0, True, 0.9, 0.8, True),
        row(1, False, 0.2, 0.6, True),
        row(2, True, 0.7, 0.7, False),
        row(3, False, 0.1, 0.1, False),
    ]
    result = cascade_scores(rows, Resampling(50, 0))
    assert result is not None
    assert (result["n_studies"], result["n_changed"], result["left"]) == (4, 1, 0.5)
    assert result["cost"] == pytest.approx((0.25 + 0.25 + 1 + 1) / 4)
    low, high = binomial_interval(1, 4)
    assert result["changed"] == {"value": 0.25, "low": low, "high": high}
    assert result["auroc"]["value"] == 1.0 and result["auroc_difference"]["value"] == 0.0
    assert result["by_body_part"] == {"WRIST": {"n_studies": 4, "n_left": 2, "n_changed": 1}}
    assert cascade_scores([replace(r, cascade=None) for r in rows], Resampling(50, 0)) is None
