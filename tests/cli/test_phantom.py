"""`ulna phantom`: the config's defaults, and errors as messages."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ulna.cli.main import cli
from ulna.cli.phantom import phantom
from ulna.config.phantom import PhantomConfig


def test_defaults_are_those_of_the_config() -> None:
    config = {f.name: f.default for f in fields(PhantomConfig)}
    options = {p.name: p.default for p in phantom.params if isinstance(p, click.Option)}
    for name in ("size", "valid_share"):
        assert options[name] == config[name]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--studies", "4", "--seed", "1", "--parts", "HAND,TOE"],
            "unknown body part 'TOE': expected one of",
        ),
        (["--studies", "4", "--seed", "1", "--size", "7"], "expected a number from 96 to 1024"),
        (["--studies", "0", "--seed", "1"], "--studies"),
        (["--seed", "1"], "--studies"),
    ],
)
def test_wrong_settings(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["phantom", str(tmp_path / "p"), *arguments])
    assert done.exit_code == 2
    assert words in done.stderr
    assert not (tmp_path / "p").exists()


def test_writes_what_info_counts(tmp_path: Path) -> None:
    out = tmp_path / "phantoms"
    options = ["--studies", "4", "--seed", "5", "--size", "96", "--workers", "1", "--json"]
    done = CliRunner().invoke(cli, ["phantom", str(out), *options])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["config"]["studies"] == 4
    reported = CliRunner().invoke(cli, ["info", str(out), "--json"])
    assert reported.exit_code == 0, reported.stderr
    answer = json.loads(reported.stdout)
    assert (answer["kind"], answer["studies"]) == ("phantom", 4)
    assert sum(g["normal"] + g["abnormal"] for g in answer["groups"]) == 4
