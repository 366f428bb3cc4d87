"""From an exception to an exit code and a message without a traceback."""

from __future__ import annotations

import errno
import re
import traceback
from collections.abc import Mapping

import click

from ulna import errors
from ulna.errors import UlnaError

INTERRUPTED = 130
DEFECT = 70
# What a machine has run out of, whatever file was being written: the error often names none.
_EXHAUSTED = {
    errno.ENOSPC: "free some space, then give the same command again",
    errno.EDQUOT: "free some of your quota, then give the same command again",
    errno.EFBIG: "expected a file system that takes files of this size: give another folder",
    errno.EIO: "the disk or the network behind it fails: give another folder",
    errno.EROFS: "expected a place that can be written to: give another folder",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close other programs: the system has no open files left",
    errno.ENOMEM: "free some memory, then give the same command again",
}
_ADVICE = {
    errno.ENOENT: "expected it there, or a place where it can be made: look at the path",
    errno.EACCES: "expected what you may read, or write to: change its permissions",
    errno.EPERM: "expected what you may read, or write to: change its permissions",
    errno.EEXIST: "expected a folder, new or not: give another name",
    errno.ENOTDIR: "expected a folder where a file is: give another path",
    errno.EISDIR: "expected a file where a folder is: give another path",
    errno.ENAMETOOLONG: "expected a shorter name",
}


def exit_codes() -> Mapping[int, str]:
    """Every exit code of the command line and what it means; docs/cli.md shows this table."""
    words = dict(re.findall(r"(\w+) \[\d+\] +(.+)", errors.__doc__ or ""))
    codes = {0: "done"}
    for kind in _error_kinds():
        said = f"{words.get(kind.__name__, '')} ({kind.__name__})".strip()
        before = codes.get(kind.exit_code)
        codes[kind.exit_code] = f"{before}; {said}" if before else said
    codes[1] = "another deliberate error (UlnaError)"
    codes[1] += "; the system refused a file"
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
    if isinstance(error, MemoryError):
        return UlnaError.exit_code
    if isinstance(error, OSError):
        if error.errno == errno.EPIPE:
            return None
        theirs = error.filename is not None or error.errno in _EXHAUSTED
        return UlnaError.exit_code if theirs else DEFECT
    return DEFECT


def report_failure(error: BaseException, debug: bool) -> None:
    """One or two lines on stderr; with `debug` and a defect, the traceback before them."""
    code = exit_code_of(error)
    if code == INTERRUPTED:
        click.echo("ulna: interrupted; the same command goes on where it can", err=True)
        return
    if code != DEFECT:
        click.echo(f"ulna: error: {_said(error)}", err=True)
        return
    if debug:
        click.echo("".join(traceback.format_exception(error)), err=True)
    click.echo(f"ulna: {type(error).__name__}: {error}", err=True)
    hint = "" if debug else "; `ulna --debug ...` shows the traceback to report"
    click.echo(f"ulna: this is a defect of Ulna, not of your data{hint}", err=True)


def _said(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "out of memory: give fewer or smaller films at a time, or free some memory"
    if not isinstance(error, OSError):
        return str(error)
    where = "" if error.filename is None else f"{error.filename}: "
    advice = _ADVICE.get(error.errno or 0) or _EXHAUSTED.get(error.errno or 0)
    return f"{where}{error.strerror}{f': {advice}' if advice else ''}"


def _error_kinds() -> list[type[UlnaError]]:
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, UlnaError)]
    return sorted(kinds, key=lambda k: k.exit_code)
