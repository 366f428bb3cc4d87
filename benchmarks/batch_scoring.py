"""`ulna predict --table` beside the engine alone: images a second, and memory at two lengths.

    python benchmarks/batch_scoring.py --bundle runs/demo/bundle

A few phantoms are linked under many names, so that each is read and decoded as an image of its own.
The engine's own rate is that of the same experts on tensors already prepared, in the same
batches, measured before, between and after. Where other work shares the machine the CPU
seconds are the ratio to believe. Linux only: peak memory comes from /proc.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Each part runs in a process of its own, whose peak memory and CPU seconds are its own.
_ENGINE = """
import sys, time, json
from pathlib import Path
import numpy as np
from ulna.imaging import read_radiograph
from ulna.preprocess import prepare
from ulna.runtime import Predictor
from ulna.runtime.stream import BATCH
predictor = Predictor.load(sys.argv[1])
images = [read_radiograph(p) for p in sorted(Path(sys.argv[2]).rglob("*.png"))[:BATCH]]
batch = np.stack([prepare(f, predictor.manifest.input_spec)[0] for f in images])
run = lambda: [s.run(batch) for s in predictor._sessions.values()]
run()
wall, cpu, n = time.perf_counter(), time.process_time(), 0
while time.perf_counter() - wall < float(sys.argv[3]):
    run()
    n += len(batch)
print(json.dumps([n / (time.perf_counter() - wall), 1000 * (time.process_time() - cpu) / n]))
"""
_TABLE = """
import sys, time, json
from pathlib import Path
from ulna.cli.main import cli
cli(sys.argv[1:], standalone_mode=False)
peak = next(l for l in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in l)
print(json.dumps([time.process_time(), int(peak.split()[1]) / 1024]))
"""
_PHANTOMS = """
import sys
from pathlib import Path
from ulna.config.phantom import PHANTOM_PARTS, PhantomConfig
from ulna.phantom import write_phantoms
write_phantoms(Path(sys.argv[1]), PhantomConfig(8, 0, PHANTOM_PARTS, size=int(sys.argv[2])))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--images", type=int, nargs=2, default=(1000, 10_000))
    parser.add_argument("--size", type=int, default=512, help="longer side of an image, px")
    parser.add_argument("--seconds", type=float, default=20, help="of each engine run")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--format", choices=["csv", "parquet"], default="csv")
    given = parser.parse_args()
    print(
        f"{os.cpu_count()} cores ({platform.machine()}), images of {given.size} px, {given.bundle}"
    )
    with tempfile.TemporaryDirectory() as folder:
        _run(_PHANTOMS, folder + "/phantoms", given.size)
        images = sorted(p for s in ("train", "valid") for p in Path(folder).rglob(f"{s}/**/*.png"))
        engine, tables = [], []
        for count in given.images:
            engine.append(
                _reported(_run(_ENGINE, given.bundle, images[0].parents[2], given.seconds))
            )
            many = _linked(images, Path(folder) / str(count), count)
            tables.append(_table(given, many, count))
        engine.append(_reported(_run(_ENGINE, given.bundle, images[0].parents[2], given.seconds)))
    _print(given.images, engine, tables)


def _run(code: str, *arguments: object) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _reported(output: str) -> list[float]:
    reported: list[float] = json.loads(output.splitlines()[-1])
    return reported


def _linked(images: list[Path], folder: Path, count: int) -> Path:
    """`count` studies of one image each: hard links, decoded anew each time."""
    for k in range(count):
        place = folder / f"study{k:06d}"
        place.mkdir(parents=True)
        os.link(images[k % len(images)], place / "film.png")
    return folder


def _table(given: argparse.Namespace, images: Path, count: int) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds, peak memory in MiB of one table of `count` images."""
    out = images.parent / f"{count}.{given.format}"
    options = ["--workers", given.workers] if given.workers else []
    start = time.perf_counter()
    reported = _reported(
        _run(_TABLE, "predict", images, "--bundle", given.bundle, "--table", out, *options)
    )
    return time.perf_counter() - start, *reported


def _print(
    images: tuple[int, int], engine: list[list[float]], tables: list[tuple[float, float, float]]
) -> None:
    """The two lengths' difference leaves out what the start costs."""
    rate = sum(r for r, _ in engine) / len(engine)
    cpu = sum(c for _, c in engine) / len(engine)
    each = ", ".join(f"{r:.1f}" for r, _ in engine)
    print(f"engine alone: {rate:.1f} images/s ({each}), {cpu:.1f} ms CPU an image")
    for count, (wall, busy, peak) in zip(images, tables, strict=True):
        print(
            f"table of {count}: {wall:.1f} s, {count / wall:.1f} images/s with the start, "
            f"{1000 * busy / count:.1f} ms CPU an image, peak {peak:.0f} MiB"
        )
    more = images[1] - images[0]
    marginal = more / (tables[1][0] - tables[0][0])
    busy = 1000 * (tables[1][1] - tables[0][1]) / more
    print(
        f"without the start: {marginal:.1f} images/s = {marginal / rate:.2f} of the engine's own "
        f"rate; {busy:.1f} ms CPU an image: the engine is {cpu / busy:.2f} of it"
    )


if __name__ == "__main__":
    main()
