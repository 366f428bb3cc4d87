"""Run every task of every library, the training first: the others read what it saved.

    python benchmarks/side_by_side/run.py WORK [LIBRARY ...]

WORK is the folder of prepare.py. Prints the last lines of each task and how it ended; ends with
1 if one failed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from count import LIBRARIES, TASKS, scripts

LAST = 6


def run(script: Path, work: Path) -> bool:
    """Whether it ended well."""
    start = time.perf_counter()
    # Without a screen matplotlib must not look for one.
    done = subprocess.run(
        [sys.executable, script],
        cwd=work,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.perf_counter() - start
    print(f"== {script.parent.name}/{script.name}: exit code {done.returncode}, {took:.0f} s")
    said = done.stdout if done.returncode == 0 else done.stdout + done.stderr
    print("\n".join(said.rstrip().splitlines()[-LAST:]), flush=True)
    return done.returncode == 0


def main() -> int:
    work, wanted = Path(sys.argv[1]), sys.argv[2:] or list(LIBRARIES)
    ended = []
    for library in wanted:
        found = scripts(library)
        for task in sorted(TASKS, key=lambda name: name != "train"):
            ended.append(run(found[task], work))
        ended += [run(path, work) for name, path in found.items() if name not in TASKS]
    return 0 if all(ended) else 1


if __name__ == "__main__":
    sys.exit(main())
