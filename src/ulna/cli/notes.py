"""Warnings as one-line notes on stderr."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import click

from ulna.errors import UlnaWarning

_MOST = 20


@contextmanager
def notes_on_stderr(debug: bool) -> Iterator[None]:
    """Show each of Ulna's own warnings once, as `note: ...`; at most 20, the rest counted.

    Warnings and log lines of other packages are hidden unless `debug`: they speak to programmers.
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
    silent = logging.NullHandler()
    with warnings.catch_warnings():
        warnings.simplefilter("default" if debug else "ignore")
        warnings.simplefilter("always", UlnaWarning)
        warnings.showwarning = show
        if not debug:
            logging.root.addHandler(silent)
        try:
            yield
        finally:
            logging.root.removeHandler(silent)
            if len(seen) > _MOST:
                click.echo(f"note: and {len(seen) - _MOST} more notes", err=True)
