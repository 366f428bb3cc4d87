"""From an exception to an exit code and a message without a traceback."""

from __future__ import annotations

import errno
import re
import traceback
from collections.abc import Mapping

import click

from ulna import errors
from ulna.errors import UlnaError, is_system_error, message_of

INTERRUPTED = 130
DEFECT = 70


def exit_codes() -> Mapping[int, str]:
    """Every exit code of the command line and what it means; docs/cli.md shows this table."""
    words = dict(re.findall(r"(\w+) \[\d+\] +(.+)", errors.__doc__ or ""))
    codes = {0: "done"}
    for kind in _error_kinds():
        message = f"{words.get(kind.__name__, '')} ({kind.__name__})".strip()
        before = codes.get(kind.exit_code)
        codes[kind.exit_code] = f"{before}; {message}" if before else message
    codes[1] = "another deliberate error (UlnaError)"
    codes[1] += "; the system refused a file; out of memory"
    codes[2] += "; a wrong option or argument"
    codes[DEFECT] = "a defect of Ulna itself (`ulna --debug ...` shows where)"
    codes[INTERRUPTED] = "interrupted (Ctrl-C)"
    return dict(sorted(codes.items()))


def exit_code_of(error: BaseException) -> int | None:
    """The exit code for `error`; None for click's own exceptions and a closed output pipe."""
    if isinstance(error, UlnaError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, (click.exceptions.Exit, click.Abort)):
        return None
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        return None
    return UlnaError.exit_code if is_system_error(error) else DEFECT


def report_failure(error: BaseException, debug: bool) -> None:
    """One or two lines on stderr; with `debug` and a defect, the traceback before them."""
    code = exit_code_of(error)
    if code == INTERRUPTED:
        click.echo("ulna: interrupted; the same command goes on where it can", err=True)
        return
    if code != DEFECT:
        click.echo(f"ulna: error: {message_of(error)}", err=True)
        return
    if debug:
        click.echo("".join(traceback.format_exception(error)), err=True)
    click.echo(f"ulna: {type(error).__name__}: {error}", err=True)
    hint = "" if debug else "; `ulna --debug ...` shows the traceback to report"
    click.echo(f"ulna: this is a defect of Ulna, not of your data{hint}", err=True)


def _error_kinds() -> list[type[UlnaError]]:
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, UlnaError)]
    return sorted(kinds, key=lambda k: k.exit_code)
