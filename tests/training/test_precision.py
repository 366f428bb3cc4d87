"""The arithmetic: as requested, else that of a begun run, else by the device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import torch
from tests.training.tiny import make_recipe

from ulna.config.codec import write_json
from ulna.config.recipe import Precision
from ulna.training.precision import VARIABLE, best_precision, with_precision


def test_an_explicit_precision_stays(tmp_path: Path) -> None:
    recipe = make_recipe(precision="16-mixed")
    assert with_precision(recipe, tmp_path / "recipe.json") is recipe


def test_auto_is_settled_and_a_begun_run_keeps_its_own(tmp_path: Path) -> None:
    recipe = make_recipe()
    assert recipe.precision == "auto"
    assert with_precision(recipe, tmp_path / "recipe.json").precision == best_precision()
    write_json(replace(recipe, precision="16-mixed"), tmp_path / "recipe.json")
    assert with_precision(recipe, tmp_path / "recipe.json").precision == "16-mixed"


@pytest.mark.parametrize("hardware", [True, False])
def test_the_cpu_decides_where_there_is_no_gpu(
    hardware: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: hardware)
    assert best_precision() == ("bf16-mixed" if hardware else "32-true")
    assert best_precision() in get_args(Precision)
