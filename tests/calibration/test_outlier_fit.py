"""The outlier classifier: scikit-learn's classes, limits that hold, the last encoder stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from ulna.bundle import OutlierHead, outlier_inputs
from ulna.bundle.out_of_distribution import (
    OodDetector,
    OutOfDistributionEntry,
    read_statistics,
    statistics_bytes,
)
from ulna.calibration.disturb import CHANGES, disturbed
from ulna.calibration.last_stage import last_stage_width
from ulna.calibration.near_fit import margin_of
from ulna.calibration.not_radiographs import not_radiographs
from ulna.calibration.out_of_distribution_fit import fit_statistics, limit_of_mean
from ulna.calibration.outlier_fit import Limbs, fit_classes, fit_outliers
from ulna.errors import BundleError
from ulna.runtime.session.half import store_as_half
from ulna.types import ImageRef, Radiograph


def _cloud(n: int, d: int, by: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(by, np.linspace(0.5, 2, d), (n, d))


@pytest.mark.parametrize("d", [5, 90])
def test_classes_are_those_of_scikit_learn(d: int) -> None:
    classes = [_cloud(120, d, 0.0, 0), _cloud(60, d, 0.4, 1), _cloud(40, d, -0.5, 2)]
    x, y = np.concatenate(classes), np.repeat([0, 1, 2], [120, 60, 40])
    scaler = StandardScaler().fit(x)
    theirs = LogisticRegression(C=70 / d, class_weight="balanced", max_iter=5000, tol=1e-8)
    wanted = theirs.fit(scaler.transform(x), y).predict_proba(scaler.transform(x))
    weights, levels = fit_classes(classes)
    logits = x @ weights.T + levels
    result = np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, None])
    np.testing.assert_allclose(result, wanted, atol=2e-3)
    odds = OutlierHead(weights, levels, 0.0, 1.0).log_odds(x)
    np.testing.assert_allclose(1 / (1 + np.exp(odds)), wanted[:, 0], atol=2e-3)


def _limbs(n: int, d: int, seed: int) -> Limbs:
    inputs = _cloud(n, d, 0.0, seed)
    copies = inputs + np.random.default_rng(seed + 50).normal(0, 0.3, inputs.shape)
    return Limbs(inputs, copies, np.arange(n), np.arange(n) % 10)


def test_new_limbs_are_refused_at_the_nominal_rate() -> None:
    rates = []
    for seed in range(6):
        learned = fit_outliers(_limbs(400, 12, seed), [_cloud(100, 12, 1.0, 1000 + seed)])
        assert learned is not None
        head = learned.head
        share = (head.log_odds(_cloud(3000, 12, 0.0, 2000 + seed)) - head.middle) / (
            head.limit - head.middle
        )
        rates.append(float((share > 1).mean()))
    assert np.mean(rates) < 0.015


def test_without_examples_there_is_no_head() -> None:
    assert fit_outliers(_limbs(100, 4, 0), []) is None
    assert fit_outliers(_limbs(100, 4, 0), [_cloud(5, 4, 1.0, 1)]) is None


def test_a_copy_is_never_fitted_with_its_own_image() -> None:
    """An image's odds come from a fit without its patient's copies."""
    limbs = _limbs(200, 30, 3)
    far = replace(limbs, copies=limbs.copies + 100.0)
    near, other = (fit_outliers(one, [_cloud(60, 30, 0.6, 4)]) for one in (limbs, far))
    assert near is not None and other is not None
    assert near.head.limit != other.head.limit


def test_the_inputs_are_the_last_stage_the_parts_and_their_energy() -> None:
    result = outlier_inputs(np.arange(6.0), [1.0, 2.0], 3)
    np.testing.assert_allclose(result, [3, 4, 5, 1, 2, np.log(np.exp(1) + np.exp(2))])
    with pytest.raises(BundleError, match="calibrate again"):
        outlier_inputs(np.arange(6.0), [1.0, 2.0], 7)


def test_heads_are_stored_with_the_statistics() -> None:
    images = _cloud(150, 8, 0.0, 0)
    head = OutlierHead(np.ones((2, 11)), np.array([0.5, -0.5]), -2.0, 1.0)
    entry = OutOfDistributionEntry(
        "f", "", {"a": 3.0, "b": 3.0}, 0.5, {"a": 150, "b": 150}, 0.01, ("a",)
    )
    data = statistics_bytes({n: fit_statistics(images) for n in "ab"}, {"a": head})
    out_of_distribution = read_statistics(data, entry)
    features, parts = {"a": images[0], "b": images[0]}, {"a": [0.1, 0.2], "b": [0.1, 0.2]}
    assert out_of_distribution.outlier_score(features, parts) == pytest.approx(
        head.share(images[0], [0.1, 0.2])
    )
    assert OodDetector(entry, out_of_distribution.experts).outlier_score(features, parts) is None
    with pytest.raises(BundleError, match="calibrate again"):
        read_statistics(data, replace(entry, outlier_experts=("b",)))


def _head_of_one(features: int) -> OutlierHead:
    """A head whose score is the first feature: 0 at the median of limbs, 1 at the limit."""
    weights = np.zeros((2, features + 2))
    weights[1, 0] = 1.0
    return OutlierHead(weights, np.zeros(2), 0.0, 1.0)


def test_the_mean_of_several_heads_has_a_limit_of_its_own() -> None:
    """Report: of 926 known images the mean of four heads refused none, and it let a drawing by.

    Each head's limit is a quantile of its own images' shares; their mean spreads less.
    """
    rng = np.random.default_rng(0)
    images = [ImageRef(Path(f"{k}.png")) for k in range(900)]
    names = "abcd"
    spread = 1 / 2.576  # of each: one in two hundred beyond 1
    known = rng.normal(0, spread, (900, 4))
    limit = limit_of_mean([dict(zip(images, known[:, k], strict=True)) for k in range(4)])
    assert limit == pytest.approx(0.5, abs=0.1)
    heads = {n: _head_of_one(1) for n in names}
    entry = OutOfDistributionEntry(
        "f", "", dict.fromkeys(names, 3.0), 0.5, dict.fromkeys(names, 900), 0.005, tuple(names),
        outlier_limit=limit,
    )  # fmt: skip
    statistics = {n: fit_statistics(rng.normal(size=(150, 1))) for n in names}
    out_of_distribution = OodDetector(entry, statistics, heads)
    new = rng.normal(0, spread, (4000, 4))
    message = [
        out_of_distribution.outlier_score(
            {n: [x] for n, x in zip(names, row, strict=True)}, dict.fromkeys(names, [0])
        )
        for row in new.tolist()
    ]
    assert 0.001 < np.mean([s is not None and s > 1 for s in message]) < 0.015
    # One of the four alone is measured by its own limit.
    assert out_of_distribution.outlier_score({"a": [0.7]}, {"a": [0]}) == pytest.approx(0.7)


def test_an_image_is_counted_by_the_experts_of_its_own_fold_only() -> None:
    images = [ImageRef(Path(f"{k}.png")) for k in range(400)]
    first = dict.fromkeys(images[:200], 0.2)
    second = dict.fromkeys(images[200:], 0.6)
    assert limit_of_mean([first, second]) == 0.6
    assert limit_of_mean([first, first]) == 0.2
    assert limit_of_mean([]) == 1.0


def test_axes_of_half_precision_leave_distances_where_they_are() -> None:
    images = _cloud(200, 96, 0.0, 0)
    statistics = fit_statistics(images)
    entry = OutOfDistributionEntry("f", "", {"a": 3.0}, 0.5, {"a": 200}, 0.01)
    read = read_statistics(statistics_bytes({"a": statistics}), entry).experts["a"]
    far = np.concatenate([images, _cloud(50, 96, 4.0, 1)])
    np.testing.assert_allclose(read.distance(far), statistics.distance(far), rtol=0.01)


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": -3.0},
        {"levels": np.zeros(1), "weights": np.ones((1, 4))},
        {"weights": np.full((2, 4), np.nan)},
    ],
)
def test_an_impossible_head_is_refused(wrong: dict) -> None:
    good = {"weights": np.ones((2, 4)), "levels": np.zeros(2), "middle": -2.0, "limit": 1.0}
    OutlierHead(**good)
    with pytest.raises(BundleError, match="head"):
        OutlierHead(**(good | wrong))


def test_the_last_stage_is_the_input_of_the_body_part_head() -> None:
    from ulna.bundle import DEMONSTRATION_BUNDLE, read_bundle

    bundle = read_bundle(DEMONSTRATION_BUNDLE)
    graph = bundle.graph_path(bundle.manifest.experts[0])
    assert last_stage_width(graph) == 64
    # Report: in a graph with weights in half precision (a student) it was not identified, and
    # all stages were used, the first of which depend on the hospital.
    import onnx

    model = onnx.load(str(graph))
    store_as_half(model, {i.name for i in model.graph.initializer if len(i.dims) > 1})
    assert last_stage_width(model.SerializeToString()) == 64


def test_nine_changes_in_ten_lie_within_the_uncertainty_margin() -> None:
    rng = np.random.default_rng(5)
    moved, new = np.abs(rng.normal(0, 1, 500)), np.abs(rng.normal(0, 1, 5000))
    uncertainty_margin = margin_of([(2.0, 2.0 * m) for m in moved.tolist()])
    assert (new <= uncertainty_margin).mean() == pytest.approx(0.9, abs=0.04)
    assert margin_of([]) == 0.0


def test_the_margin_is_fitted_on_copies_that_get_an_interval() -> None:
    """Report: copies within the limit, which change less and get no interval, made it small."""
    known, near = [(0.5, 0.01)] * 900, [(2.0, 2.0 + k / 50) for k in range(100)]
    uncertainty_margin = margin_of([*known, *near])
    assert np.mean([m <= uncertainty_margin * d for d, m in near]) == pytest.approx(0.9, abs=0.02)
    assert margin_of([*known, *near[:5]]) < 0.1  # too few to say anything


def test_disturbed_images_are_valid_and_reproducible() -> None:
    image = np.random.default_rng(6).random((300, 200)).astype(np.float32)
    seen = set()
    for name in map(str, range(60)):
        one = disturbed(Radiograph(image, source=f"folder/{name}.png"))
        again = disturbed(Radiograph(image, source=f"elsewhere/{name}.png"))
        np.testing.assert_array_equal(one.pixels, again.pixels)
        assert one.pixels.min() >= 0 and one.pixels.max() <= 1
        assert not np.array_equal(one.pixels, image)
        seen.add(one.pixels.tobytes())
    assert len(seen) > len(CHANGES)
    tiny = np.full((1, 1), 0.5, np.float32)
    for name in map(str, range(40)):
        assert disturbed(Radiograph(tiny, source=name)).pixels.size


def test_synthetic_pictures_are_reproduced_by_the_seed() -> None:
    first, again = list(not_radiographs(8, 3)), list(not_radiographs(8, 3))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        assert np.ptp(a.pixels) > 0.2
    other = next(not_radiographs(1, 4))
    assert other.pixels.shape != first[0].pixels.shape or not np.array_equal(
        other.pixels, first[0].pixels
    )


def test_graph_without_a_matrix_for_body_parts_is_unknown(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    node = helper.make_node("Identity", ["x"], ["body_part"])
    value = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, ["b", 2]) for n in ("x", "body_part")
    ]
    model = helper.make_model(helper.make_graph([node], "g", value[:1], value[1:]))
    onnx.save(model, tmp_path / "g.onnx")
    assert last_stage_width(tmp_path / "g.onnx") == 0
