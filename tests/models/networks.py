"""Networks of timm and torchvision with drawn weights, their classifiers left out of memory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import timm
import torch
import torchvision
from torch import Tensor, nn

# As classifiers are called in the names of timm and torchvision.
_CLASSIFIER = ("classifier", "fc", "head", "pre_logits")


class Network(NamedTuple):
    """A file's tensors, and what the network whose they are makes of colour images."""

    state: dict[str, Tensor]
    features: Callable[[Tensor], Tensor]


@functools.lru_cache(maxsize=2)
def draw(source: str, encoder: str, seed: int = 0) -> Network:
    """The network `encoder` of 'timm' or 'torchvision'; tensors of its classifier hold one number.

    Weights are drawn so that features neither vanish nor explode.
    """
    with torch.device("meta"):
        body: nn.Module = (
            timm.create_model(encoder)
            if source == "timm"
            else torchvision.models.get_model(encoder, weights=None)
        )
    generator = torch.Generator().manual_seed(seed)
    wanted = body.state_dict()
    state = {n: _drawn(n, t, generator) for n, t in wanted.items() if not _ignored(n)}
    body.load_state_dict(state, strict=False, assign=True)
    whole = {n: state.get(n, torch.zeros(1)) for n in wanted}
    return Network(whole, lambda x: _features(body.double().eval(), source, x.double()))


def _ignored(name: str) -> bool:
    return name.partition(".")[0] in _CLASSIFIER


def _drawn(name: str, like: Tensor, generator: torch.Generator) -> Tensor:
    if not like.is_floating_point():
        return torch.tensor(7)
    noise = torch.randn(like.shape, generator=generator)
    if like.ndim > 1:
        return noise * (2 / like[0].numel()) ** 0.5
    around = 1.0 if name.endswith(("running_var", "weight")) else 0.0
    return around + 0.1 * noise.clamp(-3, 3)


def _features(body: nn.Module, source: str, x: Tensor) -> Tensor:
    with torch.no_grad():
        if source == "timm":
            return body.forward_features(x)  # type: ignore[operator, no-any-return]
        if hasattr(body, "features"):
            grid: Tensor = body.features(x)  # type: ignore[operator]
            # torchvision's DenseNet has the last step in its forward, VGG in its features.
            return grid.relu()
        return nn.Sequential(*list(body.children())[:-2])(x)  # type: ignore[no-any-return]
