"""Exit codes: one for each kind of error, each with a meaning."""

from __future__ import annotations

import errno
import os

import pytest

from ulna import errors
from ulna.cli.failure import DEFECT, INTERRUPTED, exit_code_of, exit_codes, report_failure
from ulna.errors import UlnaError


def _kinds() -> list[type[UlnaError]]:
    return [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, UlnaError)]


def test_every_error_has_a_code_with_a_meaning() -> None:
    table = exit_codes()
    for kind in _kinds():
        assert kind.__name__ in table[exit_code_of(kind("")) or 0]
    assert all(table.values())


def test_codes_agree_with_the_tree_drawn_in_errors() -> None:
    drawn = errors.__doc__ or ""
    for kind in _kinds():
        assert f"{kind.__name__} [{kind.exit_code}]" in drawn


def test_codes_of_the_shell_are_left_free() -> None:
    own = {k.exit_code for k in _kinds()}
    assert own.isdisjoint({0, 126, 127, DEFECT, INTERRUPTED})


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EMFILE, errno.ENOMEM])
def test_a_machine_without_space_or_files_is_no_defect(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk fails in `write`, whose error names no file."""
    error = OSError(number, os.strerror(number))
    assert exit_code_of(error) == 1
    report_failure(error, debug=False)
    message = capsys.readouterr().err
    assert os.strerror(number) + ": " in message and "defect" not in message


def test_out_of_memory_is_no_defect(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(MemoryError()) == 1
    report_failure(MemoryError(), debug=False)
    assert "out of memory" in capsys.readouterr().err


def test_a_system_error_names_what_was_expected(capsys: pytest.CaptureFixture[str]) -> None:
    report_failure(NotADirectoryError(errno.ENOTDIR, "Not a directory", "out"), debug=False)
    assert "out: Not a directory: expected a folder" in capsys.readouterr().err


def test_a_system_error_without_a_file_is_a_defect() -> None:
    assert exit_code_of(OSError("no file named")) == DEFECT
    assert exit_code_of(PermissionError(13, "Permission denied", "out")) == 1
    assert exit_code_of(BrokenPipeError(32, "Broken pipe")) is None
