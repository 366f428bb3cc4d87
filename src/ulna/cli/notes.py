"""Warnings and log messages of the steps as lines on stderr."""

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


class _LinesOnStderr(logging.Handler):
    """Writes each message as a line on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the message as it is, without 'note: '."""
        click.echo(record.getMessage(), err=True)


@contextmanager
def notes_on_stderr(debug: bool) -> Iterator[None]:
    """Show each of Ulna's own warnings once, as `note: ...`; after 20 only count them.

    Messages of the logger 'ulna.experiments' are shown as they are. Warnings and log messages of
    other packages address programmers and are hidden unless `debug`.
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

    # With any handler on the root logger, Python prints no messages that lack a handler.
    silent, lines = logging.NullHandler(), _LinesOnStderr(logging.INFO)
    level = LOG.level
    with warnings.catch_warnings():
        warnings.simplefilter("default" if debug else "ignore")
        warnings.simplefilter("always", UlnaWarning)
        warnings.showwarning = show
        if not debug:
            logging.root.addHandler(silent)
        LOG.addHandler(lines)
        LOG.setLevel(logging.INFO)
        try:
            yield
        finally:
            logging.root.removeHandler(silent)
            LOG.removeHandler(lines)
            LOG.setLevel(level)
            if len(seen) > _MOST:
                click.echo(f"note: and {len(seen) - _MOST} more notes", err=True)
