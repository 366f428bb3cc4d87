"""Runs a plan: all contenders of a size side by side, in rounds A B C A B C."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.speed.contenders import PEER
from benchmarks.speed.contenders.contender import Setting
from benchmarks.speed.parity import differences, failures
from benchmarks.speed.plan import Cell
from benchmarks.speed.process import Process, WorkerFailed

Say = Callable[[str], None]
_CHECKED = 2
TOO_LATE = "the time of the run was over"


def _file_name(key: str) -> str:
    return key.replace(":", "-").replace(" ", "-") + ".log"


class ParityError(Exception):
    """Contenders do not say the same."""


class Group:
    """The cells of one size and number of threads, and the processes that they share."""

    def __init__(self, cells: Sequence[Cell], setting: Setting, place: Path, say: Say) -> None:
        self._cells, self._setting, self._place, self._say = cells, setting, place, say
        self._running: dict[str, Process] = {}
        self._greetings: dict[str, dict[str, Any]] = {}
        self._failed: dict[str, str] = {}

    def run(self, deadline: float) -> list[dict[str, Any]]:
        """One result for each cell. deadline: of time.monotonic; then no further round begins."""
        with contextlib.ExitStack() as stack:
            for key in dict.fromkeys(k for c in self._cells for k in c.seconds):
                process = Process(key, self._setting, self._place / "logs" / _file_name(key))
                self._running[key] = stack.enter_context(process)
                # One after another: a floor measured beside a loading neighbour is too low.
                self._try(key, lambda process=process: process.greeting(), self._greetings)
            result = self._check()
            return [self._cell(c, deadline) | {"parity": result} for c in self._cells]

    def _try(self, key: str, act: Callable[[], Any], into: dict[str, Any]) -> None:
        try:
            into[key] = act()
        except WorkerFailed as error:
            self._say(str(error))
            self._failed[key] = str(error)[:200]
            del self._running[key]

    def _check(self) -> dict[str, dict[str, float]]:
        message = {}
        for key, process in list(self._running.items()):
            out = self._place / "check.npz"
            answered: dict[str, Any] = {}
            self._try(key, lambda p=process, o=out: p.order("check", _CHECKED, o), answered)
            if key in answered:
                with np.load(out) as arrays:
                    message[key] = dict(arrays)
        if PEER not in message:
            return {}
        result = differences(message, PEER)
        if wrong := failures(result):
            raise ParityError("; ".join(wrong))
        return {k: {n: round(e, 8) for n, e in outputs.items()} for k, outputs in result.items()}

    def _round(self, keys: Sequence[str], batch: int) -> dict[str, dict[str, Any]]:
        """Each in turn, once; those that fail are not in the result."""
        answered: dict[str, dict[str, Any]] = {}
        for key in [k for k in keys if k in self._running]:
            process = self._running[key]
            self._try(key, lambda p=process: p.order("round", batch), answered)
        return answered

    def _cell(self, cell: Cell, deadline: float) -> dict[str, Any]:
        seconds: dict[str, list[dict[str, float]]] = {}
        peaks: dict[str, int] = {}
        done = 0
        if time.monotonic() < deadline:
            self._round(cell.warmed_up, cell.batch)
        while done < cell.rounds and time.monotonic() < deadline:
            for key, answer in self._round(list(cell.seconds), cell.batch).items():
                steps = {k: round(s, 6) for k, s in answer["seconds"].items()}
                seconds.setdefault(key, []).append(steps)
                peaks[key] = answer["peak_bytes"]
            done += 1
        late = {k: self._failed.get(k, TOO_LATE) for k in cell.seconds if k not in seconds}
        if not done and not self._failed:
            late = {"all": TOO_LATE}
        self._say(
            f"{cell.size} px, {cell.threads} threads, batch {cell.batch}: {done} rounds"
            + "".join(f"; {k}: {why}" for k, why in late.items())
        )
        return {
            "size": cell.size,
            "threads": cell.threads,
            "batch": cell.batch,
            "rounds": done,
            "seconds": seconds,
            "peak_bytes": peaks,
            "flops": {k: g["flops"] for k, g in self._greetings.items()},
            "notes": {k: g["note"] for k, g in self._greetings.items()},
            "left_out": cell.left_out | late,
        }
