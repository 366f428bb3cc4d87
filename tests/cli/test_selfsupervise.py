"""`ulna selfsupervise`: settings from the recipe, held-out images left alone, clear refusals."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image
from tests.training.tiny import make_recipe, make_studies

from ulna.cli.main import cli
from ulna.config.codec import write_json
from ulna.errors import UlnaWarning
from ulna.experiments import extras
from ulna.experiments.runs import studies_of_all

QUICK = ("epochs=1", "batch_size=8", "projection=16", "crop_size=32", "precision=32-true")


def _table(folder: Path) -> Path:
    studies = make_studies(folder, n=12)
    with (folder / "films.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "patient_id", "study_id", "body_part", "abnormal", "split"])
        for i, study in enumerate(studies):
            for ref in study.images:
                split = "valid" if i < 4 else ""
                rows.writerow([ref.path.name, study.patient_id, f"s{i}", "", "", split])
    return folder / "films.csv"


def _invoke(table: Path, out: Path, *more: str) -> Result:
    write_json(make_recipe(), table.parent / "recipe.json")
    given = [part for change in QUICK for part in ("--set", change)]
    recipe = str(table.parent / "recipe.json")
    arguments = [str(table), "--recipe", recipe, "--out", str(out), *given, *more]
    return CliRunner().invoke(cli, ["selfsupervise", *arguments])


def test_run_and_refusal_to_overwrite(tmp_path: Path) -> None:
    pytest.importorskip("lightly", reason="needs the extra ssl")
    table, out = _table(tmp_path / "images"), tmp_path / "run"
    done = _invoke(table, out)
    assert done.exit_code == 0, done.output
    assert f"--initial cnn=run:{out}" in done.stdout
    data = json.loads((out / "data.json").read_text())
    assert (data["kind"], data["n_studies"], data["n_images"]) == ("table", 8, 12)
    assert (out / "experts/cnn/weights.safetensors").is_file()
    again = _invoke(table, out)
    assert again.exit_code == 2
    assert "--resume" in again.stderr
    assert _invoke(table, out, "--resume").exit_code == 0
    every = _invoke(table, tmp_path / "every", "--all-splits", "--epochs", "1", "--minutes", "1")
    assert every.exit_code == 0, every.output
    assert json.loads((tmp_path / "every/data.json").read_text())["n_images"] == 18


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--expert", "vgg19"), "expected one of cnn"),
        (("--set", "crop=3"), "no 'crop' here"),
        (("--set", "crop_size=40"), "multiple of 32"),
        (("--initial", "nowhere"), "is not one of random"),
    ],
)
def test_wrong_settings(more: tuple[str, ...], words: str, tmp_path: Path) -> None:
    pytest.importorskip("lightly", reason="needs the extra ssl")
    done = _invoke(_table(tmp_path / "images"), tmp_path / "run", *more)
    assert done.exit_code == 2
    assert words in done.stderr
    assert not (tmp_path / "run").exists()


def test_without_lightly_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str) -> object:
        return None if name == "lightly" else importlib.util.find_spec(name)

    monkeypatch.setattr(extras, "find_spec", find)
    done = _invoke(_table(tmp_path / "images"), tmp_path / "run")
    assert done.exit_code == 8
    assert "pip install 'ulna[ssl]'" in done.stderr


def test_a_film_of_two_tables_is_learned_from_once_unless_one_holds_it_out(tmp_path: Path) -> None:
    for name in "ab":
        Image.linear_gradient("L").save(tmp_path / f"{name}.png")
    head = "path,patient_id,study_id,body_part,abnormal,split\n"
    (tmp_path / "1.csv").write_text(head + "a.png,p,s,,,train\nb.png,q,t,,,train\n")
    (tmp_path / "2.csv").write_text(head + "a.png,x,y,,,\nb.png,w,z,,,valid\n")
    tables = [tmp_path / "1.csv", tmp_path / "2.csv"]
    with pytest.warns(UlnaWarning, match=r"2 data sets: 1 left out:\n  1 given twice: .*a\.png"):
        studies = studies_of_all(tables, False)
    assert [s.key for s in studies] == ["UNKNOWN/p/s"]
    with pytest.warns(UlnaWarning, match="2 given twice"):
        assert [s.patient_id for s in studies_of_all(tables, True)] == ["p", "q"]
