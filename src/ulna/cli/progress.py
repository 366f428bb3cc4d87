"""Progress on stderr: bars in a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click

from ulna.experiments.progress import Progress

Result = TypeVar("Result")

_EVERY_SECONDS = 5.0


def with_progress(function: Callable[..., Result], **arguments: Any) -> Result:
    """Call the function with the arguments and with a `progress` that is shown on stderr."""
    with progress() as report:
        return function(**arguments, progress=report)


@contextmanager
def progress() -> Iterator[Progress]:
    """Yield a callback for progress, valid for as long as the context lasts."""
    if sys.stderr.isatty():
        with _bars() as report:
            yield report
    else:
        yield PlainLines().report


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich import progress as bar
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<18}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    tasks: dict[str, TaskID] = {}
    with bar.Progress(*columns, console=Console(stderr=True)) as bars:

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield report


@dataclass
class PlainLines:
    """Writes `stage: done/total, M:SS left` at the start, every few seconds and at the end.

    clock: returns seconds, monotonic. write: writes one line of text.
    """

    clock: Callable[[], float] = time.monotonic
    write: Callable[[str], None] = lambda line: click.echo(line, err=True)
    _begun: dict[str, tuple[float, int]] = field(default_factory=dict)
    _written: dict[str, float] = field(default_factory=dict)

    def report(self, stage: str, done: int, total: int) -> None:
        """Write the progress of a stage, if a line is due."""
        now = self.clock()
        started, first = self._begun.setdefault(stage, (now, done))
        due = now - self._written.get(stage, float("-inf")) >= _EVERY_SECONDS
        if not due and done < total:
            return
        self._written[stage] = now
        left = ""
        if first < done < total:
            left = f", {_clock_text((now - started) / (done - first) * (total - done))} left"
        elif done >= total:
            left = f", took {_clock_text(now - started)}"
        self.write(f"{stage}: {done}/{total}{left}")


def _clock_text(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
