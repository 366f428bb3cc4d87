"""Exit codes: one for each kind of error, none without a meaning."""

from __future__ import annotations

import errno

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


def test_a_system_error_without_a_file_is_a_defect() -> None:
    assert exit_code_of(OSError("no file named")) == DEFECT
    assert exit_code_of(PermissionError(13, "Permission denied", "out")) == 1
    assert exit_code_of(BrokenPipeError(32, "Broken pipe")) is None


def test_a_full_disk_is_no_defect(capsys: pytest.CaptureFixture[str]) -> None:
    """A write that fails does not name its file."""
    full = OSError(errno.ENOSPC, "No space left on device")
    assert exit_code_of(full) == 1
    report_failure(full, debug=False)
    said = capsys.readouterr().err
    assert "No space left on device" in said and "make room" in said and "defect" not in said
