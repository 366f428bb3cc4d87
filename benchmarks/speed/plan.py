"""What is measured how often, so that the whole run ends when it should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

# Seconds over FLOPs / matrix rate at batch 1 and above, as measured once; only for planning.
_FACTORS = {
    "torch grad-cam": (8.0, 5.5),
    "torch answer": (2.2, 1.5),
    "keras answer": (2.2, 1.5),
    "floor": (0.0, 0.0),
}
_FACTOR = (1.3, 1.3)
# Rounds that the chief cells begin with: the smallest size with all threads.
_CHIEF_ROUNDS = {1: 5, 8: 2}
# How much longer a cell of that group may take before another is left out instead.
_CHIEF_WEIGHT = 4.0
# Rounds after which more of a batch say little.
ROUNDS = {1: 9, 8: 5, 32: 2}
# Up to this batch what compiles for a shape runs once more, uncounted; eager PyTorch does not.
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
    chief: bool = False
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def round_seconds(self) -> float:
        return sum(self.seconds.values())

    @property
    def warmed_up(self) -> list[str]:
        """Contenders that run once before the clock counts."""
        fits = self.batch <= WARMED_UP
        return [k for k in self.seconds if fits and not k.startswith("torch")]

    @property
    def cost(self) -> float:
        return self.round_seconds * self.rounds + sum(self.seconds[k] for k in self.warmed_up)

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
    everything does not fit, what takes longest is left out; batch 1, and batches up to 8 at the
    smallest size with all threads, come last. What fits again is done again.
    """
    cells = [Cell(*shape, _estimates(keys, image_seconds[shape[:2]], shape[2])) for shape in shapes]
    chief = min(s for s, _, _ in shapes), max(t for _, t, _ in shapes)
    for cell in cells:
        cell.chief = (cell.size, cell.threads) == chief
        if cell.chief:
            cell.rounds = _CHIEF_ROUNDS.get(cell.batch, 1)
        else:
            _only_chief(cell)
    _fit(cells, budget)
    _fill(cells, budget)
    return cells


def _estimates(keys: Sequence[str], image_seconds: float, batch: int) -> dict[str, float]:
    result = {}
    for key in keys:
        factor = _FACTORS.get(key.split(":")[0], _FACTOR)[batch > 1]
        result[key] = factor * image_seconds * batch or _FLOOR_SECONDS
    return result


def _only_chief(cell: Cell) -> None:
    for key in [k for k in cell.seconds if k.startswith("ulna files")]:
        cell.leave_out(key, "measured at the smallest size with all threads")


def _fit(cells: Sequence[Cell], budget: float) -> None:
    def order(pair: tuple[Cell, str]) -> tuple[bool, float]:
        cell, key = pair
        kept_longest = cell.batch == 1 or (cell.chief and cell.batch <= WARMED_UP)
        return not kept_longest, cell.seconds[key] / (_CHIEF_WEIGHT if cell.chief else 1)

    while sum(c.cost for c in cells) > budget:
        pairs = [(c, k) for c in cells for k in c.seconds if not k.startswith("floor")]
        if not pairs:
            return
        cell, key = max(pairs, key=order)
        if cell.rounds > 1:
            cell.rounds -= 1
            continue
        cell.leave_out(key, f"about {cell.seconds[key]:.0f} s a round: no time for it in this run")


def _fill(cells: Sequence[Cell], budget: float) -> None:
    spent = sum(c.cost for c in cells)
    while True:
        open_cells = [
            c
            for c in cells
            if any(not k.startswith("floor") for k in c.seconds)
            and c.rounds < ROUNDS.get(c.batch, 1)
            and spent + c.round_seconds <= budget
        ]
        if not open_cells:
            return
        cell = min(open_cells, key=lambda c: c.rounds / ROUNDS[c.batch] + c.round_seconds / budget)
        cell.rounds += 1
        spent += cell.round_seconds
