"""`ulna predict --table`: thousands of studies to one table, with progress and a soft Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from ulna.cli.progress import progress
from ulna.config.meaning import answer_words
from ulna.errors import ConfigError, ImageError, IncompleteError

if TYPE_CHECKING:
    from ulna.experiments.answers import TableResult
    from ulna.runtime.table.journal import State


def check_table_options(table: Path | None, workers: int, **others: object) -> None:
    """ConfigError for --workers without --table, and for --table with another form of answer.

    others: the options that have another form of answer, by name. A table of a name or form that
    cannot be written is refused here too, before an archive is indexed.
    """
    if table is None and workers:
        raise ConfigError(
            "--workers without --table: it is for tables, whose images are read ahead"
        )
    for name, value in others.items():
        if table is not None and value:
            raise ConfigError(
                f"--table with --{name}: expected one of them; a table holds neither maps nor an "
                "order of its own: sort it by triage and p_normal, ask with --out for the images "
                "whose maps you want"
            )
    if table is not None:
        from ulna.runtime.table.score import table_files

        table_files(table)


def tell_table(table: Path, score: Callable[..., TableResult]) -> None:
    """Score studies into `table` and say what came out. score: `predict_table`, but for how.

    The first Ctrl-C ends after the batch at hand and raises KeyboardInterrupt; so does a second
    at once. Raises ImageError where no study has an answer, IncompleteError where some have none,
    and what `predict_table` raises.
    """
    from ulna.runtime.table.score import TableFiles

    with progress() as report:
        result = score(progress=report, stop=soft_interrupt())
    state = result.state
    if not state.finished:
        done = f"{state.studies} of {result.n_studies} studies"
        click.echo(f"{TableFiles(table).rows}: {done}; the same command goes on", err=True)
        raise KeyboardInterrupt
    if state.no_answer == state.studies:
        raise ImageError(
            f"none of {state.studies} studies has an answer: the column 'error' of {table} says why"
        )
    click.echo(_summary(state, answer_words(result.abnormal_means)[0]))
    click.echo(f"table: {table}; research only, not a medical device")
    if state.no_answer:
        raise IncompleteError(
            f"{state.no_answer} of {state.studies} studies have no answer: the column 'error' of "
            f"{table} says why; all others have theirs"
        )


@contextmanager
def soft_interrupt() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed, as a question; a second one interrupts at once."""
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, before)
        click.echo("ulna: ending after the batch at hand; Ctrl-C again: at once", err=True)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _summary(state: State, word: str) -> str:
    """word: what a study that is called abnormal is called."""
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
