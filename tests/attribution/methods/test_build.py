"""The built-in map is Grad-CAM and HiResCAM of the grad-cam package, before its ReLU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pytorch_grad_cam import GradCAM, HiResCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from tests.export.tiny_run import PARTS, lively_expert, tiny_recipe

from ulna.attribution.methods.build import (
    BUILT_IN,
    DEFAULT_METHODS,
    PACKAGE_METHODS,
    AbnormalLogits,
    build_method,
)
from ulna.config.recipe import ExpertConfig
from ulna.errors import ConfigError
from ulna.models import Expert

CONFIGS = {
    "attention": ExpertConfig(name="a", encoder="cnn", neck="attention"),
    "plain": ExpertConfig(name="b", encoder="cnn"),
    "timm": ExpertConfig(name="c", encoder="resnet10t", neck="attention"),
}


def lively(name: str) -> Expert:
    return lively_expert(CONFIGS[name], tiny_recipe([CONFIGS[name]]))


def images(n: int = 2) -> torch.Tensor:
    return torch.randn(n, 1, 64, 64, generator=torch.Generator().manual_seed(4))


def before_relu(kind: type) -> type:
    """The package's class, which also keeps the unscaled map of its `get_cam_image`."""

    class Kept(kind):  # type: ignore[misc]
        raw: Any = None

        def get_cam_image(self, *args: Any) -> Any:
            self.raw = super().get_cam_image(*args)
            return self.raw

    return Kept


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("kind", [GradCAM, HiResCAM], ids=lambda k: k.__name__)
def test_built_in_map_is_the_package_s_before_relu(name: str, kind: type) -> None:
    expert = lively(name)
    x_BCHW = images()
    lowest = 0.0
    for part in range(len(PARTS)):
        method = before_relu(kind)(AbnormalLogits(expert), [expert.neck])
        method(x_BCHW, [ClassifierOutputTarget(part)] * 2)
        with torch.inference_mode():
            cam_Bhw = expert(x_BCHW).cam_BPhw[:, part].numpy()
        cells = cam_Bhw[0].size
        scale = np.abs(cam_Bhw).max()
        assert scale > 1e-2
        # The factor 1/(h w) is the derivative of the average pooling.
        np.testing.assert_allclose(method.raw * cells / scale, cam_Bhw / scale, atol=1e-4)
        lowest = min(lowest, float(cam_Bhw.min()))
    assert lowest < -1e-2, "nothing that a ReLU could hide"


def test_package_finishes_the_same_map_by_relu_and_stretch() -> None:
    expert = lively("plain")
    image = images(1)[0].numpy()
    maps = [build_method(BUILT_IN, expert)(image, p) for p in range(len(PARTS))]
    part = int(np.argmax([m.max() for m in maps]))
    cam = np.maximum(maps[part], 0)
    wanted = (cam - cam.min()) / (cam.max() - cam.min())
    result = build_method("grad_cam", expert)(image, part)
    assert result.shape == (64, 64)
    # Bilinear between the cells' centres: at the middle of 2 x 2 pixels of a cell's 8 x 8.
    middle = result.reshape(8, 8, 8, 8)[:, 3:5, :, 3:5].mean(axis=(1, 3))
    np.testing.assert_allclose(middle[1:-1, 1:-1], wanted[1:-1, 1:-1], atol=0.15)
    assert np.argmax(middle) == np.argmax(wanted)


@pytest.mark.parametrize("name", [BUILT_IN, *PACKAGE_METHODS])
def test_every_method_gives_a_finite_map_and_leaves_no_hook(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    expert = lively("timm")
    image = images(1)[0].numpy()
    first, second = (build_method(name, expert)(image, 0) for _ in range(2))
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    np.testing.assert_allclose(first, second, atol=1e-4)
    assert not expert.neck._forward_hooks
    assert capfd.readouterr() == ("", "")


def test_score_cam_is_not_run_by_default() -> None:
    assert DEFAULT_METHODS[0] == BUILT_IN
    assert "score_cam" not in DEFAULT_METHODS


def test_unknown_method() -> None:
    with pytest.raises(ConfigError, match="'magic': expected one of built_in, grad_cam"):
        build_method("magic", lively("timm"))
