"""The group of commands: help, imports at start, and errors without a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner

from ulna.cli import main
from ulna.cli.failure import DEFECT, INTERRUPTED
from ulna.cli.main import VERBS, cli
from ulna.errors import BundleError, DatasetWarning, UlnaError

HEAVY = ("torch", "torchvision", "timm", "lightning", "matplotlib", "numba", "scipy", "pydicom")


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["predict", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import json, sys; from ulna.cli.main import cli\n"
        f"cli({arguments!r}, standalone_mode=False)\n"
        f"print(json.dumps([m for m in {HEAVY!r} + ('numpy', 'rich') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_module_and_script_are_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ulna", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("ulna, version ")


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_has_help_with_an_example(verb: str) -> None:
    done = CliRunner().invoke(cli, [verb, "--help"])
    assert done.exit_code == 0
    assert "Example" in done.output
    assert f"  ulna {verb}" in done.output
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help or option.name == "seed", f"{verb} --{option.name} says nothing"


def test_unknown_verb_is_a_usage_error() -> None:
    done = CliRunner().invoke(cli, ["serv"])
    assert done.exit_code == 2
    assert "No such command" in done.output


def _with_verb(monkeypatch: pytest.MonkeyPatch, body: Callable[[], None]) -> None:
    command = click.Command("info", callback=body)
    monkeypatch.setattr(main.LazyGroup, "get_command", lambda *_: command)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UlnaError("came X, expected Y"), 1),
        (BundleError("came X, expected Y"), 5),
        (FileNotFoundError(2, "No such file", "x.csv"), 1),
        (ZeroDivisionError("division by zero"), DEFECT),
        (KeyboardInterrupt(), INTERRUPTED),
    ],
)
def test_errors_become_short_messages(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def body() -> None:
        raise error

    _with_verb(monkeypatch, body)
    done = CliRunner().invoke(cli, ["info"])
    assert done.exit_code == code
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert 1 <= len(done.stderr.splitlines()) <= 2
    assert ("defect" in done.stderr) == (code == DEFECT)


def test_debug_shows_the_traceback_of_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_verb(monkeypatch, lambda: [][1])  # type: ignore[arg-type,return-value]
    done = CliRunner().invoke(cli, ["--debug", "info"])
    assert done.exit_code == DEFECT
    assert "Traceback" in done.stderr


def test_warnings_are_notes_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def body() -> None:
        import warnings

        for _ in range(3):
            warnings.warn("two patients have no age", DatasetWarning, stacklevel=1)
        warnings.warn("of a library, to programmers", FutureWarning, stacklevel=1)

    _with_verb(monkeypatch, body)
    done = CliRunner().invoke(cli, ["info"])
    assert done.exit_code == 0
    assert done.stderr == "note: two patients have no age\n"


def test_many_notes_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def body() -> None:
        import warnings

        for i in range(50):
            warnings.warn(f"image {i}", DatasetWarning, stacklevel=1)

    _with_verb(monkeypatch, body)
    lines = CliRunner().invoke(cli, ["info"]).stderr.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "note: and 30 more notes"
