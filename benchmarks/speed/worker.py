"""One contender in a process of its own: orders as JSON lines come in, answers go out.

    python -m benchmarks.speed.worker KEY WEIGHTS FILMS SIZE THREADS

`{"do": "round", "batch": B}` runs every step once and answers with its seconds and the process's
peak memory; `{"do": "check", "batch": B, "out": FILE}` writes what it says of the same images.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.speed.contenders import build_contender
from benchmarks.speed.contenders.contender import Contender, Setting
from benchmarks.speed.inputs import prepared_images


class Worker:
    def __init__(self, contender: Contender, size: int) -> None:
        self._contender, self._size = contender, size
        self._batch = 0

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        if order["batch"] != self._batch:
            self._batch = order["batch"]
            self._contender.take(prepared_images(self._batch, self._size))
        seconds = {}
        for step in self._contender.steps:
            start = time.perf_counter()
            self._contender.run(step)
            seconds[step] = time.perf_counter() - start
        if order["do"] == "check":
            self._write(Path(order["out"]))
        return {"seconds": seconds, "peak_bytes": peak_bytes()}

    def _write(self, out: Path) -> None:
        result = {}
        for name, answer in self._contender.answers().items():
            result[f"{name} logits"] = answer.logits
            if answer.maps is not None:
                result[f"{name} maps"] = answer.maps
        np.savez(out, **result)


def peak_bytes() -> int:
    """Peak resident memory of this process.

    Linux's own count of the program: getrusage's begins with the process that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def main() -> None:
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    key, weights, images, size, threads = sys.argv[1:]
    setting = Setting(Path(weights), Path(images), int(size), int(threads))
    contender = build_contender(key, setting)
    worker = Worker(contender, setting.size)
    hello: dict[str, Any] = {"flops": contender.flops, "note": contender.note}
    while True:
        print(json.dumps(hello), file=answers, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        hello = worker.obey(json.loads(line))


if __name__ == "__main__":
    main()
