"""`ulna predict --table`: thousands of studies to one table, stopped gently by Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from ulna.cli.progress import with_progress
from ulna.config.meaning import answer_words
from ulna.errors import ConfigError, ImageError, IncompleteError

if TYPE_CHECKING:
    from ulna.experiments.answers import TableResult
    from ulna.runtime.table.journal import State


def check_table_options(table: Path | None, workers: int, **others: object) -> None:
    """Raise ConfigError for --workers without --table, and for --table with other outputs.

    others: values of the options for other outputs, by name. A table whose name or format cannot
    be written is refused here too, before an archive is indexed.
    """
    if table is None and workers:
        raise ConfigError(
            "--workers without --table: expected --table too; only tables read images ahead"
        )
    for name, value in others.items():
        if table is not None and value:
            raise ConfigError(
                f"--table with --{name}: expected one of them; a table has no heat maps and no "
                "order of urgency: sort it by triage and p_normal, and run with --out for the "
                "images whose maps you want"
            )
    if table is not None:
        from ulna.runtime.table.score import table_files

        table_files(table)


def write_table(predict_table: Callable[..., TableResult], table: Path, **arguments: Any) -> None:
    """Predict into `table` with progress, and print a summary.

    The first Ctrl-C ends the run after the current batch and raises KeyboardInterrupt; a second
    one ends it at once. Raises ImageError where no study has an answer, IncompleteError where some
    have none, and what `predict_table` raises.
    """
    from ulna.runtime.table.score import TableFiles

    result = with_progress(predict_table, table=table, stop=soft_interrupt(), **arguments)
    state = result.state
    if not state.finished:
        done = f"{state.studies} of {result.n_studies} studies"
        click.echo(f"{TableFiles(table).rows}: {done}; the same command continues", err=True)
        raise KeyboardInterrupt
    if state.no_answer == state.studies:
        raise ImageError(
            f"none of {state.studies} studies has an answer: see the column 'error' of {table}"
        )
    click.echo(_summary(state, answer_words(result.abnormal_means)[0]))
    click.echo(f"table: {table}; research only, not a medical device")
    if state.no_answer:
        raise IncompleteError(
            f"{state.no_answer} of {state.studies} studies have no answer: see the column 'error' "
            f"of {table}; all other studies are answered"
        )


@contextmanager
def soft_interrupt() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether Ctrl-C was pressed; a second one interrupts at once."""
    pressed = False

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, before)
        click.echo("ulna: stopping after this batch; press Ctrl-C again to stop at once", err=True)

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _summary(state: State, word: str) -> str:
    """Return the counts in a line. word: the bundle's word for abnormal."""
    answered = state.studies - state.no_answer - state.refused
    parts = [
        f"{state.studies} studies with {state.images} images",
        f"{answered} answered ({state.abnormal} {word})",
        f"{state.refused} refused",
        f"{state.no_answer} without an answer",
    ]
    if state.unreadable:
        parts.append(f"{state.unreadable} images of answered studies unreadable")
    return "; ".join(parts)
