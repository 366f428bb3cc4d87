"""What the map costs: the exported graph against the same network without one, in turns.

    python -m benchmarks.speed.map_cost WEIGHTS ENGINE PRECISION SIZE THREADS BATCH SECONDS

Both graphs are in one process and take turns, so that each ratio is of two neighbours in time.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from benchmarks.speed.contenders.engines import load_graph
from benchmarks.speed.inputs import prepared_images

from ulna.types import Array

LEAST_TURNS = 3
_DRAWS = 2000


def measure(
    with_map: Callable[[], object], without: Callable[[], object], seconds: float
) -> list[tuple[float, float]]:
    """Seconds of both in each turn; who comes first alternates."""
    with_map(), without()
    turns: list[tuple[float, float]] = []
    end = time.perf_counter() + seconds
    while len(turns) < LEAST_TURNS or time.perf_counter() < end:
        if len(turns) % 2:
            b = _timed(without)
            a = _timed(with_map)
        else:
            a = _timed(with_map)
            b = _timed(without)
        turns.append((a, b))
    return turns


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median_ratio(turns: list[tuple[float, float]], seed: int = 0) -> tuple[float, float, float]:
    """Median of the turns' ratios and its 95 % bootstrap interval."""
    ratios = np.array([a / b for a, b in turns])
    rng = np.random.default_rng(seed)
    drawn = np.median(rng.choice(ratios, (_DRAWS, len(ratios))), axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(np.median(ratios)), float(low), float(high)


def _all_of(folder: Path, images: Array, how: tuple[str, str, int]) -> Callable[[], object]:
    graphs = [load_graph(path, *how) for path in sorted(folder.glob("*.onnx"))]
    return lambda: [graph.run(images) for graph in graphs]


def main() -> None:
    weights, engine, precision, size, threads, batch, seconds = sys.argv[1:]
    images = prepared_images(int(batch), int(size))
    how = (engine, precision, int(threads))
    turns = measure(
        _all_of(Path(weights) / "bundle", images, how),
        _all_of(Path(weights) / "answer", images, how),
        float(seconds),
    )
    ratio, low, high = median_ratio(turns)
    result = {"ratio": ratio, "low": low, "high": high, "turns": len(turns)}
    result |= {"with_map": float(np.median([a for a, _ in turns]))}
    print(json.dumps(result | {"answer_only": float(np.median([b for _, b in turns]))}))


if __name__ == "__main__":
    main()
