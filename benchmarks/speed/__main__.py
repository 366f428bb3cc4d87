"""Everything side by side, written to docs/results/speed.md: `make bench`.

python -m benchmarks.speed                  # 11 to 12 minutes
python -m benchmarks.speed --quick          # 3; writes to runs/bench/ only
python -m benchmarks.speed --minutes 60     # leaves less out
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.speed.contenders import known_contenders
from benchmarks.speed.contenders.contender import Setting
from benchmarks.speed.contenders.engines import automatic_engine, precisions_here
from benchmarks.speed.inputs import ENCODERS, write_images
from benchmarks.speed.machine import describe_machine
from benchmarks.speed.plan import Cell, make_plan
from benchmarks.speed.plot import write_plot
from benchmarks.speed.process import ROOT, Process
from benchmarks.speed.report import has_times, write_page
from benchmarks.speed.runner import Group
from benchmarks.speed.weights import random_bundle

from ulna.bundle import read_bundle
from ulna.calibration.graph_cost import multiply_adds
from ulna.machine import usable_cores

PLACE = ROOT / "runs" / "bench"
SIZES, BATCHES = (224, 320), (1, 8, 32)
QUICK_SIZES, QUICK_BATCHES = (224,), (1, 8)
MINUTES, QUICK_MINUTES = 11.0, 3.0
# Starting the processes of a group and comparing what they say, in seconds.
_START = 30.0
# Share of the time for the cost of the map.
_MAP_SHARE = 0.1


def main() -> None:
    given = _parsed()
    began = time.monotonic()
    machine = describe_machine()
    settings = _settings(given)
    ready = time.monotonic()
    flops = {size: _flops(setting) for (size, _), setting in settings.items()}
    keys, left_out = known_contenders(precisions_here(), automatic_engine())
    seconds = {
        (size, t): sum(flops[size].values()) / _rate(setting)
        for (size, t), setting in settings.items()
    }
    whole = 60 * given.minutes
    map_seconds = _MAP_SHARE * whole
    shapes = [(size, t, batch) for size, t in settings for batch in given.batches]
    plan = make_plan(keys, shapes, seconds, whole - map_seconds - _START * len(settings))
    _announce(plan, len(settings), map_seconds)
    cells = _run(plan, settings, ready + 1.08 * whole)
    result = {
        "command": " ".join(["python -m benchmarks.speed", *sys.argv[1:]]),
        "seed": given.seed,
        "date": datetime.now(UTC).date().isoformat(),
        "minutes_used": round((time.monotonic() - began) / 60, 2),
        "machine": machine,
        "flops": {str(size): f for size, f in flops.items()},
        "cells": cells,
        "map_cost": _map_costs(next(iter(settings.values())), map_seconds),
        "left_out": left_out,
    }
    _write(result, given.published)


def _parsed() -> argparse.Namespace:
    most = usable_cores()
    parser = argparse.ArgumentParser(prog="benchmarks.speed", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="224 px, all threads, batch 1 and 8")
    parser.add_argument("--minutes", type=float, help=f"{MINUTES:g}, quick {QUICK_MINUTES:g}")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and the images")
    for name, kind in (("sizes", int), ("batches", int), ("threads", int), ("encoders", str)):
        parser.add_argument(f"--{name}", type=kind, nargs="+")
    given = parser.parse_args()
    chosen = (given.sizes, given.batches, given.threads, given.encoders)
    given.published = not given.quick and not any(chosen)
    given.minutes = given.minutes or (QUICK_MINUTES if given.quick else MINUTES)
    given.sizes = given.sizes or (QUICK_SIZES if given.quick else SIZES)
    given.batches = sorted(given.batches or (QUICK_BATCHES if given.quick else BATCHES))
    given.threads = given.threads or ([most] if given.quick else sorted({1, min(2, most)}))
    given.encoders = tuple(given.encoders or ENCODERS)
    return given


def _settings(given: argparse.Namespace) -> dict[tuple[int, int], Setting]:
    """By (size, threads): the sizes in their order, most threads first."""
    print("weights and images: minutes at the first run, then at once", flush=True)
    images = write_images(PLACE, given.seed)
    result = {}
    for size in sorted(given.sizes):
        weights = random_bundle(PLACE, size, given.seed, given.encoders)
        for threads in sorted(given.threads, reverse=True):
            result[size, threads] = Setting(weights, images, size, threads)
    return result


def _flops(setting: Setting) -> dict[str, int]:
    """Of one image, by expert: two for each multiply-add."""
    experts = read_bundle(setting.bundle).manifest.experts
    return {e.name: 2 * multiply_adds(setting.bundle / e.graph) for e in experts}


def _rate(setting: Setting) -> float:
    """FLOP per second of a single-precision matrix product, to plan with."""
    with Process("floor:fp32", setting, PLACE / "logs" / "rate.log") as floor:
        flops = float(floor.greeting()["flops"])
        rounds = [floor.order("round", 1)["seconds"]["matmul"] for _ in range(3)]
    return flops / min(rounds)


def _announce(plan: Sequence[Cell], groups: int, map_seconds: float) -> None:
    expected = sum(c.cost for c in plan) + _START * groups + map_seconds
    print(f"expected: {expected / 60:.0f} minutes", flush=True)
    for cell in plan:
        where = f"{cell.size} px, {cell.threads} threads, batch {cell.batch}"
        out = f"; left out: {', '.join(cell.left_out)}" if cell.left_out else ""
        print(f"  {where}: {cell.rounds} rounds, {cell.cost:.0f} s{out}", flush=True)


def _run(
    plan: Sequence[Cell], settings: Mapping[tuple[int, int], Setting], deadline: float
) -> list[dict[str, Any]]:
    cells = []
    for (size, threads), setting in settings.items():
        own = [c for c in plan if (c.size, c.threads) == (size, threads)]
        group = Group(own, setting, PLACE, lambda text: print(text, flush=True))
        cells += group.run(deadline)
    return cells


def _map_costs(setting: Setting, seconds: float) -> list[dict[str, Any]]:
    result = []
    ways = [(engine, kinds[-1]) for engine, kinds in precisions_here().items()]
    for engine, precision in ways:
        for batch in (1, 8):
            share = seconds / len(ways) / 2
            what = [setting.weights, engine, precision, setting.size, setting.threads, batch, share]
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.speed.map_cost", *map(str, what)],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
            )
            how = {"engine": f"{engine}:{precision}", "batch": batch}
            result.append(how | json.loads(done.stdout))
    return result


def _write(result: Mapping[str, Any], published: bool) -> None:
    docs = ROOT / "docs"
    data, page, picture = (
        [docs / "results/speed.json", docs / "results/speed.md", docs / "images/speed.png"]
        if published
        else [PLACE / "quick.json", PLACE / "quick.md", PLACE / "quick.png"]
    )
    data.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if not any(has_times(cell) for cell in result["cells"]):
        sys.exit(f"nothing was measured in the time: give more --minutes (raw: {data})")
    write_plot(picture, result)
    write_page(page, result, Path(os.path.relpath(picture, page.parent)).as_posix())
    print(f"written: {', '.join(str(p.relative_to(ROOT)) for p in (data, page, picture))}")


if __name__ == "__main__":
    main()
