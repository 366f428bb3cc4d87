"""Weights of one scale of grey levels answer alike on another."""

from __future__ import annotations

import pytest
import timm
import torch

from ulna.config.input_spec import InputSpec
from ulna.models.imagenet import grey_normalisation
from ulna.models.normalisation import adapt_first_convolution

SPEC = InputSpec(size=64, mean=0.3, std=0.7)


@pytest.mark.parametrize(
    "encoder", ["tf_efficientnet_lite0", "resnet50", "densenet121", "vgg19", "vgg19_bn"]
)
def test_the_first_layer_sees_the_same_image_through_another_normalisation(encoder: str) -> None:
    """ImageNet's weights on input of mean 0.5 and deviation 0.25 saw twice the contrast."""
    torch.manual_seed(0)
    body = timm.create_model(encoder, in_chans=1, num_classes=0).eval()
    learned = grey_normalisation(encoder)
    assert learned is not None
    image = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        before = _first_layer(body, (image - learned[0]) / learned[1])
        other = _first_layer(body, (image - SPEC.mean) / SPEC.std)
        adapt_first_convolution(body, learned, SPEC)
        after = _first_layer(body, (image - SPEC.mean) / SPEC.std)
    inner = (..., slice(2, -2), slice(2, -2))
    torch.testing.assert_close(after[inner], before[inner], atol=1e-4, rtol=1e-4)
    assert (other[inner] - before[inner]).abs().max() > 0.1


def _first_layer(body: torch.nn.Module, x_B1HW: torch.Tensor) -> torch.Tensor:
    """What the first convolution, and the normalisation behind it if any, make of it."""
    modules = list(body.modules())
    first = next(m for m in modules if isinstance(m, torch.nn.Conv2d))
    seen = first(x_B1HW)
    if first.bias is None:
        behind = modules[modules.index(first) + 1 :]
        seen = next(m for m in behind if isinstance(m, torch.nn.BatchNorm2d))(seen)
    return seen


def test_what_is_normalised_alike_stays_as_it_is() -> None:
    body = timm.create_model("resnet18", in_chans=1, num_classes=0)
    before = {k: v.clone() for k, v in body.state_dict().items()}
    adapt_first_convolution(body, (SPEC.mean, SPEC.std), SPEC)
    assert all(torch.equal(before[k], v) for k, v in body.state_dict().items())
