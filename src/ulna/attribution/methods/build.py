"""Heat-map methods of the `grad-cam` package for an expert, and the built-in map.

All are computed on the grid between neck and heads, for the abnormal logit of one body part, so
that they differ in the method only.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ulna.errors import ConfigError
from ulna.models import Expert
from ulna.types import Array

HeatMap = Callable[[Array, int], Array]

BUILT_IN = "built_in"
# Name in tables -> class of the package. ScoreCAM runs the network once per channel.
PACKAGE_METHODS: Mapping[str, str] = {
    "grad_cam": "GradCAM",
    "hires_cam": "HiResCAM",
    "layer_cam": "LayerCAM",
    "grad_cam_plus_plus": "GradCAMPlusPlus",
    "eigen_cam": "EigenCAM",
    "score_cam": "ScoreCAM",
}
DEFAULT_METHODS = (BUILT_IN, *(n for n in PACKAGE_METHODS if n != "score_cam"))


class AbnormalLogits(nn.Module):
    """An expert reduced to the output that the methods explain: (B, 1, S, S) to logits (B, P)."""

    def __init__(self, expert: Expert) -> None:
        super().__init__()
        self.expert = expert

    def forward(self, x_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.expert(x_BCHW).abnormal_BP
        return logits


def build_method(name: str, expert: Expert) -> HeatMap:
    """Return the method `name` for `expert`: (prepared image (1, S, S), body part index) -> map.

    The built-in map is the expert's own (h, w), in logits. The others are (S, S) in [0, 1], as the
    package returns them: negative values are set to 0, then each map is scaled to its own minimum
    and maximum. Raises ConfigError for an unknown name.
    """
    if name == BUILT_IN:
        return _built_in(expert)
    if name not in PACKAGE_METHODS:
        known = ", ".join([BUILT_IN, *PACKAGE_METHODS])
        raise ConfigError(f"heat-map method {name!r}: expected one of {known}")
    import pytorch_grad_cam

    kind = getattr(pytorch_grad_cam, PACKAGE_METHODS[name])
    return _from_package(kind, expert)


def _built_in(expert: Expert) -> HeatMap:
    def heat_map(image: Array, part: int) -> Array:
        with torch.inference_mode():
            cam_BPhw = expert(torch.from_numpy(image)[None]).cam_BPhw
        return np.asarray(cam_BPhw[0, part].numpy(), dtype=np.float32)

    return heat_map


def _from_package(kind: Any, expert: Expert) -> HeatMap:
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    logits = AbnormalLogits(expert)

    def heat_map(image: Array, part: int) -> Array:
        method = kind(logits, [expert.neck])
        try:
            # ScoreCAM prints a progress bar for every image.
            with contextlib.redirect_stderr(io.StringIO()):
                maps = method(torch.from_numpy(image)[None], [ClassifierOutputTarget(part)])
        finally:
            # Hooks that remain in the network would slow down the other methods.
            method.activations_and_grads.release()
        return np.asarray(maps[0], dtype=np.float32)

    return heat_map
