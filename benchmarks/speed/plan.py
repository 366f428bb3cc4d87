"""What is measured how often, so that the whole run ends when it should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# Seconds of a contender over FLOPs / matrix rate, as measured once; only for planning.
_FACTORS = {"torch grad-cam": 8.0, "torch answer": 2.2, "keras answer": 2.2, "floor": 0.0}
_FACTOR = 1.3
# Rounds after which more of a batch say little.
ROUNDS = {1: 9, 8: 5, 32: 2}
# Batches run once more, uncounted, before the clock counts.
WARMED_UP = 8
_FLOOR_SECONDS = 0.5


@dataclass
class Cell:
    """One table: every contender at one size, number of threads and batch.

    seconds: estimated for one round of each contender. left_out: why, by contender.
    """

    size: int
    threads: int
    batch: int
    seconds: dict[str, float]
    rounds: int = 1
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def round_seconds(self) -> float:
        return sum(self.seconds.values())

    @property
    def cost(self) -> float:
        return self.round_seconds * (self.rounds + (self.batch <= WARMED_UP))

    def leave_out(self, key: str, why: str) -> None:
        del self.seconds[key]
        self.left_out[key] = why


def make_plan(
    keys: Sequence[str],
    shapes: Sequence[tuple[int, int, int]],
    image_seconds: Mapping[tuple[int, int], float],
    budget: float,
) -> list[Cell]:
    """Cells for `shapes` (size, threads, batch) that take about `budget` seconds together.

    image_seconds: of FLOPs / matrix rate for one image, by (size, threads). Where one round of
    everything does not fit, what takes longest is left out, the largest batches first; what
    fits twice is done twice, the small batches first.
    """
    cells = [Cell(*shape, _estimates(keys, image_seconds[shape[:2]], shape[2])) for shape in shapes]
    _fit(cells, budget)
    _fill(cells, budget)
    return cells


def _estimates(keys: Sequence[str], image_seconds: float, batch: int) -> dict[str, float]:
    found = {}
    for key in keys:
        factor = _FACTORS.get(key.split(":")[0], _FACTOR)
        found[key] = factor * image_seconds * batch or _FLOOR_SECONDS
    return found


def _fit(cells: Sequence[Cell], budget: float) -> None:
    while sum(c.cost for c in cells) > budget:
        pairs = [
            (c.seconds[k], c, k) for c in cells for k in c.seconds if not k.startswith("floor")
        ]
        if not pairs:
            return
        seconds, cell, key = max(pairs, key=lambda p: p[0])
        cell.leave_out(key, f"about {seconds:.0f} s a round: more than the run has time for")


def _fill(cells: Sequence[Cell], budget: float) -> None:
    spent = sum(c.cost for c in cells)
    while True:
        open_cells = [
            c
            for c in cells
            if c.rounds < ROUNDS.get(c.batch, 1) and spent + c.round_seconds <= budget
        ]
        if not open_cells:
            return
        cell = min(open_cells, key=lambda c: c.rounds / ROUNDS[c.batch] + c.round_seconds / budget)
        cell.rounds += 1
        spent += cell.round_seconds
