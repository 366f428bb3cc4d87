"""A plan keeps to its time and says what it leaves out."""

from __future__ import annotations

import pytest
from benchmarks.speed.contenders import PEER
from benchmarks.speed.plan import ROUNDS, Cell, make_plan

KEYS = [PEER, "torch answer", "ulna:onnxruntime:fp32", "floor:fp32"]
SHAPES = [(s, t, b) for s in (224, 320) for t in (2, 1) for b in (1, 8, 32)]
SECONDS = {(224, 2): 0.4, (224, 1): 0.8, (320, 2): 0.8, (320, 1): 1.6}


def _plan(budget: float) -> list[Cell]:
    return make_plan(KEYS, SHAPES, SECONDS, budget)


@pytest.mark.parametrize("budget", [30, 120, 600, 3000, 30000])
def test_time_is_kept_and_nothing_is_forgotten(budget: float) -> None:
    plan = _plan(budget)
    assert [(c.size, c.threads, c.batch) for c in plan] == SHAPES
    assert sum(c.cost for c in plan) <= budget
    for cell in plan:
        assert sorted([*cell.seconds, *cell.left_out]) == sorted(KEYS)
        assert 1 <= cell.rounds <= ROUNDS[cell.batch]
        assert all("s a round" in why for why in cell.left_out.values())


def test_what_takes_longest_is_left_out_first_but_never_the_chief_comparison() -> None:
    plan = _plan(400)
    one, eight = plan[:2]  # 224 px, two threads
    assert one.chief and PEER in one.seconds and PEER in eight.seconds
    assert all(PEER in c.seconds for c in plan if c.batch == 1)
    others = [c for c in plan if not c.chief and c.batch > 1]
    everything = {k: s for c in _plan(1e6) for k, s in _named(c).items()}
    kept = {k for c in others for k in _named(c) if not k[-1].startswith("floor")}
    left = [everything[c.size, c.threads, c.batch, k] for c in others for k in c.left_out]
    assert left and kept
    assert min(left) >= max(everything[k] for k in kept)


def _named(cell: Cell) -> dict[tuple[int, int, int, str], float]:
    return {(cell.size, cell.threads, cell.batch, k): s for k, s in cell.seconds.items()}


def test_images_are_read_in_the_chief_cells_only() -> None:
    images = "ulna files:onnxruntime:fp32"
    for cell in make_plan([*KEYS, images], SHAPES, SECONDS, 1e6):
        assert (images in cell.seconds) == cell.chief == ((cell.size, cell.threads) == (224, 2))
        assert (images in cell.left_out) == (not cell.chief)


def test_with_time_enough_everything_is_measured_often() -> None:
    for cell in _plan(1e6):
        assert not cell.left_out
        assert cell.rounds == ROUNDS[cell.batch]


def test_more_time_never_measures_less() -> None:
    before = 0
    for budget in (100, 300, 900, 2700):
        measured = sum(len(c.seconds) for c in _plan(budget))
        assert measured >= before
        before = measured
