"""The peer: eager PyTorch with the package grad-cam, which gives the answer and a map.

Used as its documentation says: a `GradCAM` for the model and its last convolutional grid, called
on the batch. One forward and one backward pass; the logits are read from the same pass.
"""

from __future__ import annotations

import numpy as np
import torch
from benchmarks.speed.contenders.contender import Answer, Setting
from benchmarks.speed.contenders.torch_experts import torch_experts
from benchmarks.speed.inputs import PART
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from ulna.attribution.methods.build import AbnormalLogits
from ulna.types import Array


class KeptGradCam(GradCAM):
    """Grad-CAM that keeps its map as it is before the cut at 0 and the stretch, to compare."""

    raw: Array

    def get_cam_image(self, *given: object, **named: object) -> Array:
        self.raw = super().get_cam_image(*given, **named)
        return self.raw


class TorchGradCam:
    flops, note = 0.0, "eager, forward and backward"

    def __init__(self, setting: Setting) -> None:
        self._experts = torch_experts(setting)
        self.steps = (*self._experts, "fuse")
        self._logits: dict[str, torch.Tensor] = {}
        self._raw: dict[str, Array] = {}
        self._shown: dict[str, Array] = {}

    def take(self, images: Array) -> None:
        self._images = torch.from_numpy(images)

    def run(self, step: str) -> None:
        if step == "fuse":
            np.mean([m.numpy() for m in self._logits.values()], axis=0)
            np.mean(list(self._shown.values()), axis=0)
            return
        expert = self._experts[step]
        targets = [ClassifierOutputTarget(PART)] * len(self._images)
        with KeptGradCam(AbnormalLogits(expert), [expert.neck]) as method:
            self._shown[step] = method(self._images, targets)
            self._logits[step] = method.outputs.detach()
            self._raw[step] = method.raw

    def answers(self) -> dict[str, Answer]:
        """Grad-CAM's weights are means of the gradient: its map is Ulna's over the cells."""
        result = {}
        for name, raw in self._raw.items():
            cells = raw.shape[-1] * raw.shape[-2]
            result[name] = Answer(self._logits[name].numpy(), np.asarray(raw * cells))
        return result


def build(setting: Setting) -> TorchGradCam:
    return TorchGradCam(setting)
