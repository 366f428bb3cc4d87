"""Warnings as one-line notes on stderr, and remarks of steps beside them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import click

from ulna.errors import UlnaWarning
from ulna.experiments.log import LOG

_MOST = 20


class _Remarks(logging.Handler):
    """A line on stderr for each remark of a step."""

    def emit(self, record: logging.LogRecord) -> None:
        """As it is, without 'note: '."""
        click.echo(record.getMessage(), err=True)


@contextmanager
def notes_on_stderr(debug: bool) -> Iterator[None]:
    """Show each of Ulna's own warnings once, as `note: ...`; at most 20, the rest counted.

    Remarks of the logger 'ulna.experiments' are shown as they are. Warnings and log lines of other
    packages are hidden unless `debug`: they speak to programmers.
    """
    seen: list[str] = []

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = str(message)
        if text in seen:
            return
        seen.append(text)
        if len(seen) <= _MOST:
            click.echo(f"note: {text}", err=True)

    # Where the root logger has any handler, Python does not print lines that no handler took.
    silent, remarks = logging.NullHandler(), _Remarks(logging.INFO)
    level = LOG.level
    with warnings.catch_warnings():
        warnings.simplefilter("default" if debug else "ignore")
        warnings.simplefilter("always", UlnaWarning)
        warnings.showwarning = show
        if not debug:
            logging.root.addHandler(silent)
        LOG.addHandler(remarks)
        LOG.setLevel(logging.INFO)
        try:
            yield
        finally:
            logging.root.removeHandler(silent)
            LOG.removeHandler(remarks)
            LOG.setLevel(level)
            if len(seen) > _MOST:
                click.echo(f"note: and {len(seen) - _MOST} more notes", err=True)
