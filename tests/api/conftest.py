"""The files that examples speak of: image.png, phantoms, tiny.json, runs/first."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.calls import phantoms_and_recipe, ulna


@pytest.fixture(scope="session")
def example_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what docs/python.md and the docstrings use, made by the command line."""
    work = tmp_path_factory.mktemp("examples")
    phantoms_and_recipe(work)
    images = sorted((work / "phantoms").rglob("*.png"))
    shutil.copy(next(f for f in images if "WRIST" in str(f)), work / "image.png")
    run = work / "runs" / "first"
    ulna("train", work / "phantoms", "--recipe", work / "tiny.json", "--out", run)
    ulna("export", run, "--out", run / "bundle")
    ulna("calibrate", run / "bundle", "--run", run, "--data", work / "phantoms")
    return work


@pytest.fixture
def examples(example_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder, as the one that the test runs in."""
    monkeypatch.chdir(example_folder)
    return example_folder
