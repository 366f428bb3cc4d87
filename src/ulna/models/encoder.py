"""Encoders: the in-house `cnn` and every timm model that returns a feature grid."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from ulna.errors import ConfigError, WeightsError, WeightsWarning
from ulna.models.cnn import Cnn
from ulna.models.imagenet import hub_source, imagenet_unavailable
from ulna.no_telemetry import no_telemetry

with no_telemetry():
    import timm
    from timm.models import group_parameters

# Parts of timm models behind the feature grid; that of VGG holds 120 million weights.
_BEHIND_GRID = ("pre_logits", "global_pool", "head", "fc", "classifier", "head_drop")


class Encoder(nn.Module):
    """Map one-channel images (B, 1, H, W) to a feature grid (B, num_features, h, w)."""

    def __init__(self, name: str, body: nn.Module, num_features: int, channels_last: bool) -> None:
        super().__init__()
        self.name = name
        self.body = body
        self.num_features = num_features
        self.channels_last = channels_last

    def forward(self, x_BCHW: Tensor) -> Tensor:
        grid: Tensor = self.body.forward_features(x_BCHW)  # type: ignore[operator]
        return grid.permute(0, 3, 1, 2) if self.channels_last else grid

    def forward_stages(self, x_BCHW: Tensor) -> tuple[Tensor, ...]:
        """Return grids (B, C, h, w) from the input up; for timm models only the encoder's."""
        if isinstance(self.body, Cnn):
            return self.body.forward_stages(x_BCHW)
        return (self(x_BCHW),)

    def stages(self) -> list[list[str]]:
        """Return the names of the body's parameters, grouped from the input up."""
        matcher = self.body.group_matcher(coarse=True)  # type: ignore[operator]
        groups = group_parameters(self.body, matcher)
        return [list(groups[k]) for k in sorted(groups)]


def build_encoder(name: str, size: int, pretrained: bool = False) -> Encoder:
    """Build the encoder `name` for one-channel images of size x size px.

    pretrained: with ImageNet weights from timm, first convolution summed over colours (timm's
    `adapt_input_conv`). Raises ConfigError for an unknown name or a model without a feature grid,
    WeightsError when pretrained weights are unavailable.
    """
    if name == "cnn":
        if pretrained:
            raise WeightsError(
                "'cnn' has no ImageNet weights: use initial weights 'random', 'file' or 'run'"
            )
        return _probe(name, Cnn(), size)
    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name[:6]}*")[:5]) or "see timm.list_models()"
        raise ConfigError(f"unknown encoder {name!r}: expected 'cnn' or a timm model ({near})")
    return _probe(name, _build_timm(name, size, pretrained), size)


def _build_timm(name: str, size: int, pretrained: bool) -> nn.Module:
    settings: dict[str, Any] = {"in_chans": 1, "num_classes": 0, "global_pool": ""}
    # Models with fixed position embeddings (most transformers) need the size of the image.
    pretrained_cfg = timm.get_pretrained_cfg(name)
    if getattr(pretrained_cfg, "fixed_input_size", False):
        settings["img_size"] = size
    if pretrained:
        warnings.warn(
            f"ImageNet weights of {name!r} come from {hub_source(name)} unless they are in the "
            "download cache; nothing but the request leaves this machine",
            WeightsWarning,
            stacklevel=2,
        )
    try:
        body: nn.Module = timm.create_model(name, pretrained=pretrained, **settings)
    except Exception as error:  # timm and its hub client raise many kinds
        if not pretrained:
            raise ConfigError(f"encoder {name!r} cannot be built: {error}") from error
        raise imagenet_unavailable(name) from error
    for part in _BEHIND_GRID:
        if hasattr(body, part):
            setattr(body, part, nn.Identity())
    return body


def _probe(name: str, body: nn.Module, size: int) -> Encoder:
    was_training = body.training
    body.eval()
    try:
        with torch.no_grad():
            grid = body.forward_features(torch.zeros(1, 1, size, size))  # type: ignore[operator]
    except (AssertionError, RuntimeError) as error:
        raise ConfigError(f"encoder {name!r} does not take {size} px images: {error}") from error
    body.train(was_training)
    num_features = int(body.num_features)  # type: ignore[arg-type]
    if not isinstance(grid, Tensor) or grid.ndim != 4 or num_features not in grid.shape[1::2]:
        shape = tuple(grid.shape) if isinstance(grid, Tensor) else type(grid).__name__
        raise ConfigError(
            f"encoder {name!r} gives {shape}, not a feature grid (B, C, h, w): "
            "choose a convolutional model"
        )
    return Encoder(name, body, num_features, channels_last=grid.shape[1] != num_features)
