"""From seconds of rounds to what is compared: medians, ratios to the peer and to the floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from benchmarks.speed.contenders import PEER

MAP_LIMIT = 1.03
Rounds = Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class Row:
    """One contender of a cell. median, low, high: ms per image (of the rounds: min, max).

    steps: medians by step. faster: than the peer; of_floor: time over the floor's, same
    precision; both medians of the rounds' own ratios, None where the other was left out.
    """

    key: str
    median: float
    low: float
    high: float
    steps: dict[str, float]
    faster: float | None
    of_floor: float | None
    peak_mib: float


def cell_rows(cell: Mapping[str, Any], flops: float) -> list[Row]:
    """Rows of a cell's result in the order of the run. flops: of all experts for one image."""
    seconds: Mapping[str, Rounds] = cell["seconds"]
    floors = floor_ms(cell, flops)
    peer = _per_image(seconds[PEER], cell["batch"]) if PEER in seconds else None
    return [
        _row(cell, key, peer, floors.get(precision_of(key)))
        for key in seconds
        if not key.startswith("floor:")
    ]


def _row(
    cell: Mapping[str, Any],
    key: str,
    peer: np.ndarray | None,
    floor: np.ndarray | None,
) -> Row:
    rounds: Rounds = cell["seconds"][key]
    ms = _per_image(rounds, cell["batch"])
    steps = {s: 1e3 * float(np.median([r[s] for r in rounds])) / cell["batch"] for s in rounds[0]}
    return Row(
        key=key,
        median=float(np.median(ms)),
        low=float(ms.min()),
        high=float(ms.max()),
        steps=steps,
        faster=None if peer is None else _median_ratio(peer, ms),
        of_floor=None if floor is None else _median_ratio(ms, floor),
        peak_mib=cell["peak_bytes"][key] / 2**20,
    )


def floor_ms(cell: Mapping[str, Any], flops: float) -> dict[str, np.ndarray]:
    """By precision, (rounds,) ms per image at each round's own matrix rate."""
    result = {}
    for key, rounds in cell["seconds"].items():
        if key.startswith("floor:"):
            rates = cell["flops"][key] / _per_image(rounds, 1)  # FLOP per ms
            result[precision_of(key)] = flops / rates
    return result


def precision_of(key: str) -> str:
    """'fp32' for what does not name its precision."""
    last = key.split(":")[-1]
    return last if last in ("bf16", "int8") else "fp32"


def _per_image(rounds: Rounds, batch: int) -> np.ndarray:
    return np.array([1e3 * sum(r.values()) / batch for r in rounds])


def _median_ratio(a: np.ndarray, b: np.ndarray) -> float:
    n = min(len(a), len(b))  # a contender may have failed in a late round
    return float(np.median(a[:n] / b[:n]))


@dataclass(frozen=True)
class Goal:
    """met: None where it was not measured, or the interval holds the limit."""

    wanted: str
    result: str
    met: bool | None


def goals(result: Mapping[str, Any]) -> list[Goal]:
    """What issue-sized promises became, at 224 px with all threads."""
    size = str(min(int(s) for s in result["flops"]))
    flops = sum(result["flops"][size].values())
    threads = max(c["threads"] for c in result["cells"])
    cells = {
        c["batch"]: cell_rows(c, flops)
        for c in result["cells"]
        if str(c["size"]) == size and c["threads"] == threads and c["rounds"]
    }
    results = [_peer_goal(cells, 1, 15), _peer_goal(cells, 8, 9)]
    results += [_floor_goal(cells, 1, 1.15), _floor_goal(cells, 8, 1.05), _files_goal(cells)]
    for cost in result["map_cost"]:
        wanted = f"the map costs at most 3 % ({cost['engine']}, batch {cost['batch']})"
        message = f"{_percent(cost['ratio'])} ({_percent(cost['low'])} to {_percent(cost['high'])})"
        decided = cost["high"] <= MAP_LIMIT or cost["low"] > MAP_LIMIT
        results.append(Goal(wanted, message, cost["high"] <= MAP_LIMIT if decided else None))
    return results


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %"


def _best(rows: Sequence[Row], precision: str = "") -> Row | None:
    own = [r for r in rows if r.key.startswith("ulna:") and r.key.endswith(precision)]
    return min(own, key=lambda r: r.median, default=None)


def _peer_goal(cells: Mapping[int, Sequence[Row]], batch: int, times: float) -> Goal:
    wanted = f"at least {times:g} times as fast as eager + grad-cam at batch {batch}"
    best = _best(cells.get(batch, []))
    if best is None or best.faster is None:
        return Goal(wanted, "not measured", None)
    return Goal(wanted, f"{best.faster:.1f} ({best.key})", best.faster >= times)


def _floor_goal(cells: Mapping[int, Sequence[Row]], batch: int, times: float) -> Goal:
    wanted = f"within {times:g} of the floor at batch {batch} (bf16)"
    best = _best(cells.get(batch, []), "bf16")
    if best is not None and best.of_floor is not None:
        return Goal(wanted, f"{best.of_floor:.2f} ({best.key})", best.of_floor <= times)
    other = _best(cells.get(batch, []), "fp32")
    if other is None or other.of_floor is None:
        return Goal(wanted, "not measured", None)
    return Goal(wanted, f"no bf16 here; fp32: {other.of_floor:.2f} ({other.key})", None)


def _files_goal(cells: Mapping[int, Sequence[Row]]) -> Goal:
    wanted = "from PNG files within 1.25 of prepared arrays at batch 1"
    rows = {r.key: r for r in cells.get(1, [])}
    for key, row in rows.items():
        arrays = rows.get(key.replace("ulna files:", "ulna:"))
        if key.startswith("ulna files:") and arrays is not None:
            ratio = row.median / arrays.median
            return Goal(wanted, f"{ratio:.2f} ({key})", ratio <= 1.25)
    return Goal(wanted, "not measured", None)
