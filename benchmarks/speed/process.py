"""The benchmark's side of a worker."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.speed.contenders.contender import Setting

ROOT = Path(__file__).resolve().parents[2]
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_LAST_WORDS = 5


class WorkerFailed(Exception):
    """A contender's process ended: what it said last."""


class Process:
    """A contender that was started; its first answer is awaited by `greeting`."""

    def __init__(self, key: str, setting: Setting, log: Path) -> None:
        self.key, self._log = key, log
        environment = {**os.environ, **dict.fromkeys(_THREADS, str(setting.threads))}
        places = [environment.get("PYTHONPATH", ""), str(ROOT / "src"), str(ROOT)]
        environment["PYTHONPATH"] = os.pathsep.join(p for p in places if p)
        log.parent.mkdir(parents=True, exist_ok=True)
        given = [key, setting.weights, setting.images, setting.size, setting.threads]
        with log.open("w", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.speed.worker", *map(str, given)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
                cwd=ROOT,
            )

    def greeting(self) -> dict[str, Any]:
        """{"flops", "note"}, once it is loaded. Raises WorkerFailed."""
        return self._answer()

    def order(self, do: str, batch: int, out: Path | None = None) -> dict[str, Any]:
        """{"seconds": by step, "peak_bytes"}. Raises WorkerFailed."""
        text = json.dumps({"do": do, "batch": batch, "out": str(out)})
        with contextlib.suppress(BrokenPipeError):  # why it ended is told below
            print(text, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        status = self._process.wait()
        message = self._log.read_text(encoding="utf-8").strip().splitlines()[-_LAST_WORDS:]
        ended = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        raise WorkerFailed(f"{self.key}: {ended}: {' / '.join(message)}")

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        if kind is not None:
            self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
