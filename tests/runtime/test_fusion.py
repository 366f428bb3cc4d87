"""The hybrid is linear in its experts, so its map is as exact as theirs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analytic_bundle import COARSE, FINE, FITTED, PARTS, SIZE, write_analytic
from hypothesis import given, settings
from hypothesis import strategies as st

from ulna.bundle import Manifest
from ulna.errors import ConfigError
from ulna.runtime.fusion import (
    ExpertOutput,
    active_experts,
    fuse_image,
    part_probabilities,
    routing_weights,
    sum_on_finest_grid,
)
from ulna.types import BodyPart


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_analytic(tmp_path_factory.mktemp("fusion") / "bundle", fusion=FITTED).manifest


def outputs(seed: int = 0) -> dict[str, ExpertOutput]:
    image = np.random.default_rng(seed).normal(0, 1, (1, SIZE, SIZE)).astype(np.float32)
    return {
        e.name: ExpertOutput(**{k: v.astype(np.float32) for k, v in e.answer(image).items()})
        for e in (COARSE, FINE)
    }


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), share=st.floats(0, 1))
def test_completeness_on_unlike_grids(manifest: Manifest, seed: int, share: float) -> None:
    fused = fuse_image(outputs(seed), np.array([share, 1 - share]), manifest)
    assert fused.grid.shape in ((28, 28), (7, 7))
    assert abs(fused.grid.astype(np.float64).mean() + fused.bias - fused.logit) <= 1e-4


def test_hybrid_is_the_convex_combination(manifest: Manifest) -> None:
    result = outputs()
    fused = fuse_image(result, np.array([1.0, 0.0]), manifest)
    coarse, fine = result["coarse"], result["fine"]
    logit = 0.3 * coarse.abnormal[0] + 0.7 * fine.abnormal[0]
    assert fused.logit == pytest.approx((logit + 0.4) / 0.8, abs=1e-6)
    # 7 x 7 cells on 28 x 28: each covers exactly 4 x 4.
    grid = 0.3 * np.kron(coarse.cam[0], np.ones((4, 4))) + 0.7 * fine.cam[0]
    np.testing.assert_allclose(fused.grid, grid / 0.8, atol=1e-5)
    assert fused.experts == pytest.approx(
        {"coarse": float(coarse.abnormal[0]), "fine": float(fine.abnormal[0])}
    )


def test_soft_routing_is_linear_in_the_body_parts(manifest: Manifest) -> None:
    result = outputs()
    whole = [fuse_image(result, np.array(r), manifest) for r in ([1.0, 0.0], [0.0, 1.0])]
    mixed = fuse_image(result, np.array([0.25, 0.75]), manifest)
    assert mixed.logit == pytest.approx(0.25 * whole[0].logit + 0.75 * whole[1].logit)
    assert mixed.bias == pytest.approx(0.25 * whole[0].bias + 0.75 * whole[1].bias)
    fine = np.kron(whole[1].grid, np.ones((4, 4)))  # the wrist asks the coarse expert alone
    np.testing.assert_allclose(mixed.grid, 0.25 * whole[0].grid + 0.75 * fine, atol=1e-5)


def test_expert_without_weight_need_not_be_there(manifest: Manifest) -> None:
    assert active_experts(manifest, PARTS[0]) == ["coarse", "fine"]
    assert active_experts(manifest, PARTS[1]) == ["coarse"]
    assert active_experts(manifest, None) == ["coarse", "fine"]
    result, routing = outputs(), np.array([0.0, 1.0])
    alone = fuse_image({"coarse": result["coarse"]}, routing, manifest)
    both = fuse_image(result, routing, manifest)
    assert (alone.logit, alone.bias) == (both.logit, both.bias)
    assert np.array_equal(alone.grid, both.grid)
    assert alone.grid.shape == (7, 7)


def test_routing_is_hard_when_given_and_softmax_of_the_mean_else() -> None:
    logits = np.array([[1.0, 3.0], [2.0, 0.0]])
    assert routing_weights(logits, PARTS, PARTS[1]).tolist() == [0.0, 1.0]
    soft = routing_weights(logits, PARTS, None)
    np.testing.assert_allclose(soft, [0.5, 0.5])
    np.testing.assert_allclose(part_probabilities([[0.0, np.log(3)]]), [0.25, 0.75])
    assert part_probabilities([[1e4, -1e4]]).tolist() == [1.0, 0.0]
    with pytest.raises(ConfigError, match="body part HAND: the bundle knows ELBOW, WRIST"):
        routing_weights(logits, PARTS, BodyPart.HAND)


@settings(deadline=None, max_examples=40)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=4),
    seed=st.integers(0, 2**31),
)
def test_sum_on_the_finest_grid_keeps_the_mean(shapes: list[tuple[int, int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps = [rng.normal(0, 3, s) for s in shapes]
    total = sum_on_finest_grid(maps)
    assert total.shape == (max(s[0] for s in shapes), max(s[1] for s in shapes))
    assert total.mean() == pytest.approx(sum(m.mean() for m in maps), abs=1e-9)


def test_mean_of_experts_when_nothing_was_fitted(tmp_path_factory: pytest.TempPathFactory) -> None:
    fresh = write_analytic(tmp_path_factory.mktemp("fresh") / "bundle").manifest
    result = outputs()
    fused = fuse_image(result, np.array([0.0, 1.0]), replace(fresh, name="other"))
    mean = np.mean([o.abnormal[1] for o in result.values()])
    assert fused.logit == pytest.approx(float(mean), abs=1e-6)
