"""How fast phantoms are made: studies a second and milliseconds a view.

    python benchmarks/phantom_rate.py --studies 60 --size 224 --workers 2

A first small set compiles the kernel and is not counted. With several workers the start of
the processes is counted, as it is in `ulna phantom`.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path

from ulna.config.phantom import ALL_PHANTOM_PARTS, PHANTOM_PARTS, PhantomConfig
from ulna.phantom import write_phantoms


def main() -> None:
    """Write a set into a temporary folder and print its rate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=60)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--framing", choices=["collimated", "plate"], default="collimated")
    parser.add_argument("--all-parts", action="store_true", help="all seven body parts")
    given = parser.parse_args()
    parts = ALL_PHANTOM_PARTS if given.all_parts else PHANTOM_PARTS
    config = PhantomConfig(given.studies, given.seed, parts, size=given.size, framing=given.framing)
    with tempfile.TemporaryDirectory() as folder:
        write_phantoms(Path(folder) / "warm", PhantomConfig(3, 1, size=96), workers=1)
        out = Path(folder) / "timed"
        start = time.perf_counter()
        write_phantoms(out, config, given.workers)
        seconds = time.perf_counter() - start
        views = sum(1 for side in ("train", "valid") for _ in (out / side).rglob("*.png"))
    print(
        f"{os.cpu_count()} cores ({platform.machine()}), {given.workers} workers, {given.size} px"
    )
    print(f"{given.studies} studies with {views} views in {seconds:.1f} s")
    busy = 1000 * seconds * given.workers / views
    print(f"{given.studies / seconds:.2f} studies/s, {busy:.0f} ms a view and worker")


if __name__ == "__main__":
    main()
