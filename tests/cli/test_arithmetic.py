"""The commands that train, in each precision that 'auto' may mean."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.cli.calls import phantoms_and_recipe, ulna

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("arithmetic")
    phantoms_and_recipe(work)
    return work


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_crossval_and_audit_in_every_arithmetic(
    precision: str, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ULNA_PRECISION", precision)
    phantoms, out = work / "phantoms", work / precision
    small = ["--set", "input_spec.size=32", "--recipe", work / "tiny.json", "--folds", 2]
    ulna("crossval", phantoms, *small, "--out", out / "cv")
    for made in ("fold1", "evaluation"):
        shutil.rmtree(out / "cv" / made)
    monkeypatch.setenv("ULNA_PRECISION", "32-true")  # as if resumed on another machine
    ulna("crossval", phantoms, *small, "--out", out / "cv")
    monkeypatch.setenv("ULNA_PRECISION", precision)
    for k in range(2):
        recipe = json.loads((out / f"cv/fold{k}/recipe.json").read_text())
        state = json.loads((out / f"cv/fold{k}/experts/cnn/state.json").read_text())
        assert recipe["precision"] == state["precision"] == precision
    settings = json.loads((out / "cv/crossval.json").read_text())
    assert settings["recipe"]["precision"] == precision
    scores = json.loads((out / "cv/scores.json").read_text())["scores"]
    assert 0 <= scores["all"]["auroc"]["value"] <= 1
    quick = ["--size", 32, "--epochs", 2, "--images", 8]
    ulna("audit", phantoms, "--out", out / "audit", *quick)
    result = json.loads((out / "audit/audit.json").read_text())
    assert result["plan"]["precision"] == precision
