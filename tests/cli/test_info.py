"""`ulna info`: installation and data."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from ulna import __version__
from ulna.cli.main import cli
from ulna.recipes import RECIPES


def test_installation_as_json_and_as_text() -> None:
    reported = CliRunner().invoke(cli, ["info", "--json"])
    assert reported.exit_code == 0, reported.stderr
    answer = json.loads(reported.stdout)
    assert answer["ulna"] == __version__
    assert set(answer["recipes"]) == set(RECIPES)
    text = CliRunner().invoke(cli, ["info"]).stdout
    assert f"ulna {__version__}" in text
    assert all(name in text for name in RECIPES)


def test_a_table_is_counted(real_data: Path) -> None:
    table = real_data / "fracatlas" / "table.csv"
    reported = CliRunner().invoke(cli, ["info", str(table), "--json"])
    assert reported.exit_code == 0, reported.stderr
    answer = json.loads(reported.stdout)
    counted = sum(g["normal"] + g["abnormal"] + g["unlabelled"] for g in answer["groups"])
    assert answer["kind"] == "table"
    assert counted == answer["studies"] > 0
    assert CliRunner().invoke(cli, ["info", str(table)]).exit_code == 0


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["info", str(tmp_path / "missing")])
    assert done.exit_code == 3
    assert "no such file or folder" in done.stderr
