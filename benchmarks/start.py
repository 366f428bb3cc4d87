"""How soon Ulna is there: whole processes, from the shell's point of view.

`python benchmarks/start.py [ROUNDS]`: median and least wall time, and the least CPU time, of
`python -c pass`, `ulna --help` and `ulna predict` on one PNG with the bundle in the package, and
each one's ratio to `python -c pass` by its least CPU time. The first round, which writes byte code
and fills the file cache, is not counted.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "ulna --help": ["-m", "ulna", "--help"],
    "ulna predict FILM": ["-m", "ulna", "predict", "FILM"],
}


def once(arguments: Sequence[str]) -> tuple[float, float]:
    """(wall, CPU) seconds of one process."""
    before, start = os.times(), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    wall, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system
    return wall, cpu - before.children_user - before.children_system


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    print(
        f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    with tempfile.TemporaryDirectory() as place:
        image = Path(place) / "film.png"
        ramp = np.add.outer(np.arange(512), np.arange(440)) / 952
        Image.fromarray((255 * ramp).astype(np.uint8)).save(image)
        least = 0.0
        for name, arguments in COMMANDS.items():
            command = [str(image) if a == "FILM" else a for a in arguments]
            result = [once(command) for _ in range(rounds + 1)][1:]
            wall, cpu = ([f[i] for f in result] for i in (0, 1))
            least = least or max(min(cpu), 0.001)
            print(
                f"{name:<18} wall median {statistics.median(wall):.2f} s, least {min(wall):.2f} s; "
                f"CPU least {min(cpu):.2f} s, {min(cpu) / least:.0f} times python -c pass"
            )


if __name__ == "__main__":
    main()
