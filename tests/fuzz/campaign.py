"""Mutants by the thousand in worker processes, and the table of what came of them.

    python -m tests.fuzz.campaign [--seed TEXT] [--share PERCENT] [--workers N]
    python -m tests.fuzz.campaign --seed TEXT --save FAMILY:NUMBER FILE

The seed is the date unless it is given. A worker that dies or stands still is a fault of the mutant
that it was at; another goes on behind it. The exit status is 1 if there is any fault.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.mutants import COUNTS, Mutants

ROOT = Path(__file__).resolve().parents[2]
STANDS_STILL = 60.0
WORKER = ("-u", "-m", "tests.fuzz.worker")
_JOB = 2_500


@dataclass
class Tally:
    """What came of one family's mutants. slowest, largest: (value, number, image).

    ended: of how many a decoder in a child was ended by a signal (24 where its time is up).
    """

    tried: int = 0
    refused: int = 0
    answered: int = 0
    ended: int = 0
    slowest: tuple[float, int, str] = (0.0, -1, "")
    largest: tuple[int, int, str] = (0, -1, "")
    faults: list[str] = field(default_factory=list)

    def add(self, result: dict[str, object]) -> None:
        self.tried += 1
        self.refused += result["outcome"] == "refused"
        self.answered += result["outcome"] == "answered"
        self.ended += bool(result.get("died"))
        who = (int(str(result["number"])), str(result["image"]))
        self.slowest = max(self.slowest, (float(str(result["seconds"])), *who))
        self.largest = max(self.largest, (int(str(result["peak"])), *who))
        if result["fault"]:
            self.faults.append(f"{who[0]} ({who[1]}): {result['fault']}")


def run(seed: str, counts: dict[str, int], workers: int = 2) -> dict[str, Tally]:
    """The tally of each family after `counts` mutants."""
    tallies = {family: Tally() for family in counts}
    jobs = [
        (family, seed, start, min(start + _JOB, count))
        for family, count in counts.items()
        for start in range(0, count, _JOB)
    ]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(workers) as pool:
        for family, result in pool.map(lambda job: (job[0], list(_job(*job, Path(folder)))), jobs):
            for one in result:
                tallies[family].add(one)
    return tallies


def _job(
    family: str, seed: str, start: int, stop: int, folder: Path
) -> Iterator[dict[str, object]]:
    """The trials from `start` to `stop`, in as many workers as it takes."""
    while start < stop:
        state = folder / f"{family}-{start}"
        output = folder / f"{family}-{start}.jsonl"
        command = [sys.executable, *WORKER, family, seed]
        with output.open("w") as lines:
            worker = subprocess.Popen(
                [*command, str(start), str(stop), str(state)], cwd=ROOT, stdout=lines
            )
            ended = _watched(worker, state)
        for line in output.read_text().splitlines():
            yield json.loads(line)
        if ended == "":
            return
        if not state.exists():
            raise RuntimeError(f"no worker for {family}: it {ended} before its first mutant")
        number = int(state.read_text())
        yield {
            **{"number": number, "image": "", "outcome": "", "seconds": 0, "peak": 0},
            "fault": f"the worker {ended}",
        }
        start = number + 1


def _watched(worker: subprocess.Popen[bytes], state: Path) -> str:
    """How a worker ended, '' for well; one that stands still at a mutant is stopped."""
    while True:
        try:
            code = worker.wait(timeout=STANDS_STILL / 4)
            return "" if code == 0 else f"ended with {code}"
        except subprocess.TimeoutExpired:
            moved = state.stat().st_mtime if state.exists() else time.time()
            if time.time() - moved > STANDS_STILL:
                worker.kill()
                worker.wait()
                return f"stood still for {STANDS_STILL:.0f} s"


def table(tallies: dict[str, Tally]) -> str:
    """One row for each family."""
    lines = ["family    tried  refused  answered  slowest  most memory  decoders ended  faults"]
    for family, t in tallies.items():
        lines.append(
            f"{family:7} {t.tried:7} {t.refused:8} {t.answered:9} {t.slowest[0]:6.2f} s "
            f"{t.largest[0] / 2**20:9.0f} MB {t.ended:15} {len(t.faults):7}"
        )
    for family, t in tallies.items():
        lines.append(f"{family}: slowest {t.slowest[1:]}, most memory {t.largest[1:]}")
        lines += [f"  {family}:{fault[:600]}" for fault in t.faults[:20]]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", default=datetime.date.today().isoformat())
    parser.add_argument("--share", type=float, default=100, help="percent of the mutants")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", choices=sorted(COUNTS))
    parser.add_argument("--save", nargs=2, metavar=("FAMILY:NUMBER", "FILE"))
    given = parser.parse_args()
    if given.save:
        family, number = given.save[0].split(":")
        Path(given.save[1]).write_bytes(Mutants(family, given.seed).make(int(number))[1])
        return 0
    counts = {f: int(n * given.share / 100) for f, n in COUNTS.items() if given.only in (None, f)}
    print(f"seed {given.seed!r}")
    began = time.monotonic()
    tallies = run(given.seed, counts, given.workers)
    print(table(tallies))
    print(f"{sum(t.tried for t in tallies.values())} mutants in {time.monotonic() - began:.0f} s")
    return 1 if any(t.faults for t in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
