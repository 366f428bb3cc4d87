"""Paths on the command line are checked before any work is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.calls import ulna

from ulna.cli.main import VERBS, cli
from ulna.cli.options import GivenPath


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", ""),
        ("predict", "image.png", "--bundle", ""),
        ("predict", "image.png", "--out", ""),
        ("info", ""),
        ("evaluate", "", "--bundle", "b", "--out", "o"),
        ("phantom", "", "--studies", "1", "--seed", "1"),
    ],
)
def test_an_empty_path_is_not_the_current_folder(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ulna predict "$IMAGE"` without IMAGE would answer for whatever lies in the folder."""
    monkeypatch.chdir(tmp_path)
    assert "an empty path" in ulna(*arguments, code=2).output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["file", "file/below", "link"])
def test_results_that_no_folder_could_take_are_refused_at_once(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nothing")
    out = tmp_path / place
    done = ulna("evaluate", tmp_path / "no data", "--bundle", "none", "--out", out, code=2)
    assert "expected the name of a folder" in done.output
    assert (tmp_path / "file").read_text() == "mine"


def test_an_existing_or_new_folder_is_accepted(tmp_path: Path) -> None:
    taken = GivenPath(new_folder=True)
    for place in (tmp_path, tmp_path / "new", tmp_path / "new" / "newer"):
        assert taken.convert(str(place), None, None) == place


def test_a_null_character_is_refused() -> None:
    assert "null character" in ulna("predict", "a\0b", code=2).output


def test_every_path_of_every_verb_is_checked() -> None:
    import click

    context = click.Context(cli)
    for verb in VERBS:
        command = cli.get_command(context, verb)
        assert command is not None
        for parameter in command.params:
            if isinstance(parameter.type, click.Path):
                assert isinstance(parameter.type, GivenPath), (verb, parameter.name)
