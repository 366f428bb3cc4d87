"""Test-time views: a mean over views whose map still adds up, the same for a mirrored image."""

from __future__ import annotations

import pytest
import torch

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig
from ulna.errors import ConfigError
from ulna.models.expert import Expert, build_expert
from ulna.models.test_time_augmentation import with_test_time_augmentation
from ulna.types import BodyPart

SIZE = 96
PARTS = (BodyPart.ELBOW, BodyPart.WRIST)


def _expert(neck: str = "attention") -> Expert:
    torch.manual_seed(0)
    config = ExpertConfig("cnn", "cnn", neck=neck)  # type: ignore[arg-type]
    expert = build_expert(config, PARTS, (), InputSpec(size=SIZE)).eval()
    if neck == "attention":
        torch.nn.init.normal_(expert.neck.score.weight)  # type: ignore[union-attr, arg-type]
    return expert


IMAGES = torch.randn(2, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("neck", ["attention", "plain"])
@pytest.mark.parametrize("scales", [(1.0,), (1.0, 1.34), (1.34, 0.67, 1.0)])
@torch.inference_mode()
def test_the_map_adds_up_on_any_views(neck: str, scales: tuple[float, ...]) -> None:
    config = ExpertConfig("cnn", "cnn", test_mirror=True, test_scales=scales)
    requested = with_test_time_augmentation(_expert(neck), config, SIZE)
    out = requested(IMAGES)
    total = out.cam_BPhw.mean((2, 3)) + requested.bias_P
    torch.testing.assert_close(total, out.abnormal_BP, atol=1e-5, rtol=0)
    assert out.cam_BPhw.shape[-1] == round(scales[0] * SIZE / 32) * 4
    mirrored = requested(IMAGES.flip(-1))
    torch.testing.assert_close(mirrored.abnormal_BP, out.abnormal_BP, atol=1e-5, rtol=0)
    torch.testing.assert_close(mirrored.cam_BPhw.flip(-1), out.cam_BPhw, atol=1e-3, rtol=1e-4)


@torch.inference_mode()
def test_the_answer_is_the_mean_of_the_views() -> None:
    expert = _expert()
    config = ExpertConfig("cnn", "cnn", test_mirror=True)
    out = with_test_time_augmentation(expert, config, SIZE)(IMAGES)
    both = expert(IMAGES).abnormal_BP, expert(IMAGES.flip(-1)).abnormal_BP
    torch.testing.assert_close(out.abnormal_BP, (both[0] + both[1]) / 2)


def test_without_views_the_expert_is_returned() -> None:
    expert = _expert()
    assert with_test_time_augmentation(expert, ExpertConfig("cnn", "cnn"), SIZE) is expert


@pytest.mark.parametrize("scales", [(), (0.1,), (1.0, 9.0)])
def test_senseless_scales_are_refused(scales: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="test_scales"):
        ExpertConfig("cnn", "cnn", test_scales=scales)
