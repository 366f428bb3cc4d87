"""Hard negatives: values relative to the maximum of the image, stored in checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.tiny import PARTS, make_recipe, make_studies

from ulna.config.recipe import ExpertConfig
from ulna.models.expert import build_expert
from ulna.training.batches import search_due
from ulna.training.cache import TrainingImages, build_cache
from ulna.training.hard_negatives import HARD_SIDE, find_hard_negatives


@pytest.fixture
def images(tmp_path: Path) -> TrainingImages:
    return build_cache(make_studies(tmp_path / "images"), make_recipe(), tmp_path / "cache")


@pytest.mark.parametrize("neck", ["attention", "plain"])
def test_odds_follow_the_experts_own_scores(images: TrainingImages, neck: str) -> None:
    config = ExpertConfig("cnn", "cnn", neck=neck)  # type: ignore[arg-type]
    spec = make_recipe().input_spec
    torch.manual_seed(0)
    expert = build_expert(config, PARTS, (), spec)
    if neck == "attention":
        torch.nn.init.normal_(expert.neck.score.weight)  # type: ignore[union-attr, arg-type]
    chosen = np.arange(5, 12)
    result = find_hard_negatives(expert, images, chosen, spec)
    assert result.shape == (7, HARD_SIDE, HARD_SIDE) and (result.max((1, 2)) == 255).all()
    pixels = torch.from_numpy(images.images[chosen]).float()[:, None] / 255
    with torch.inference_mode():
        out = expert((pixels - spec.mean) / spec.std)
    score = out.attention_BAhw[:, 0] if neck == "attention" else out.cam_BPhw.mean(1)
    for odds, own in zip(result, score.numpy(), strict=True):
        cells = own.shape[0]
        row, column = np.argwhere(odds == 255)[0] * cells // HARD_SIDE
        # 255 of 255 after rounding: odds of at least 254.5
        assert own[row, column] >= own.max() + np.log(254.5 / 255) - 1e-5


def test_search_comes_at_the_start_of_every_nth_epoch() -> None:
    config = ExpertConfig("cnn", "cnn", hard_negatives_every=3)
    due = [step for step in range(100) if search_due(config, step, 10)]
    assert due == [30, 60, 90]
    assert not any(search_due(ExpertConfig("cnn", "cnn"), s, 10) for s in range(100))
