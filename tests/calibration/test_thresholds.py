"""Operating points: their properties, and how they generalise from few studies."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import special
from scipy.stats import mstats

from ulna.bundle.manifest import OPERATING_POINTS
from ulna.calibration.thresholds import RULES, fit_thresholds, smooth_quantile, youden
from ulna.errors import ConfigError
from ulna.types import BodyPart

PARTS = (BodyPart.ELBOW, BodyPart.HUMERUS, BodyPart.WRIST)
Draw = Callable[[np.random.Generator, int], np.ndarray]

LAWS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(0, 1.5, n),
    "skewed": lambda rng, n: rng.gamma(2, 1.1, n) - 2,
    "mixed": lambda rng, n: np.where(rng.random(n) < 0.07, 5.0, 0.0) + rng.normal(0, 1.5, n),
}


def test_smooth_quantile_is_harrell_and_davis() -> None:
    values = np.random.default_rng(0).normal(size=31)
    for share in (0.05, 0.5, 0.9):
        assert smooth_quantile(values, share) == pytest.approx(
            float(mstats.hdquantiles(values, prob=[share])[0])
        )


@pytest.mark.parametrize("law", sorted(LAWS))
def test_specificity_generalises_from_25_normal_studies(law: str) -> None:
    rng = np.random.default_rng(1)
    reached = []
    for _ in range(150):
        centres = rng.normal(-2, 0.5, len(PARTS))
        shown = [special.expit(c + LAWS[law](rng, 25)) for c in centres]
        abnormal = special.expit(rng.normal(3, 2, 25))
        result = fit_thresholds(
            dict(zip(PARTS, [(p, abnormal) for p in shown], strict=True)), set()
        )["specificity_0.90"]
        for part, centre in zip(PARTS, centres, strict=True):
            later = special.expit(centre + LAWS[law](rng, 1000))
            reached.append(float(np.mean(later < result[part])))
    assert 0.895 < np.mean(reached) < 0.92
    assert np.std(reached) < 0.05
    assert np.quantile(reached, 0.1) > 0.83


def test_sensitivity_generalises_from_25_abnormal_studies() -> None:
    rng = np.random.default_rng(2)
    reached = []
    for _ in range(150):
        data = {
            p: (special.expit(rng.normal(-3, 1, 25)), special.expit(rng.normal(2, 1.5, 25)))
            for p in PARTS
        }
        result = fit_thresholds(data, set())["sensitive"]
        later = special.expit(rng.normal(2, 1.5, 1000))
        reached += [float(np.mean(later >= result[p])) for p in PARTS]
    assert 0.94 < np.mean(reached) < 0.97
    assert np.std(reached) < 0.04


def test_the_points_are_in_order_where_classes_overlap() -> None:
    rng = np.random.default_rng(5)
    data = {
        p: (special.expit(rng.normal(-1, 1.5, 200)), special.expit(rng.normal(1, 1.5, 200)))
        for p in PARTS
    }
    result = fit_thresholds(data, set())
    assert set(result) == set(OPERATING_POINTS)
    for part in PARTS:
        order = [result[point][part] for point in OPERATING_POINTS]
        assert order == sorted(order)


def test_youden_of_two_normals_is_half_way() -> None:
    rng = np.random.default_rng(3)
    result = youden(rng.normal(-2, 1, 4000), rng.normal(2, 1, 4000))
    assert result == pytest.approx(0, abs=0.12)


def test_youden_of_far_classes_is_between_them() -> None:
    result = youden(np.array([-5.0, -4.0, -4.5]), np.array([4.0, 4.5, 5.0]))
    assert -3 < result < 3


def test_parts_with_few_studies_take_the_pooled_threshold() -> None:
    rng = np.random.default_rng(4)
    data = {p: (rng.random(20) * 0.5, 0.5 + rng.random(20) * 0.5) for p in PARTS[:2]}
    data[BodyPart.WRIST] = (np.array([0.99]), np.empty(0))
    result = fit_thresholds(data, {BodyPart.WRIST})
    normal = np.concatenate([n for n, _ in data.values()])
    pooled = smooth_quantile(special.logit(normal), 0.9)
    assert result["specificity_0.90"][BodyPart.WRIST] == pytest.approx(
        special.expit(pooled), rel=1e-3
    )
    assert set(result) == set(RULES)


def test_one_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="need both"):
        fit_thresholds({BodyPart.WRIST: (np.array([0.1]), np.empty(0))}, set())
