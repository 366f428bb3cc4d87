"""Eager PyTorch without gradients: the logits, no map."""

from __future__ import annotations

import numpy as np
import torch
from benchmarks.speed.contenders.contender import Answer, Setting
from benchmarks.speed.contenders.torch_experts import torch_experts

from ulna.types import Array


class TorchAnswer:
    flops, note = 0.0, "eager, inference mode"

    def __init__(self, setting: Setting) -> None:
        self._experts = torch_experts(setting)
        self.steps = tuple(self._experts)
        self._result: dict[str, torch.Tensor] = {}

    def take(self, images: Array) -> None:
        self._images = torch.from_numpy(images)

    def run(self, step: str) -> None:
        expert = self._experts[step]
        with torch.inference_mode():
            pooled = expert.pool(self._images)
            expert.body_part(pooled.everywhere_BC)
            self._result[step] = expert.abnormal(pooled.attended_BC)

    def answers(self) -> dict[str, Answer]:
        return {n: Answer(np.asarray(logits)) for n, logits in self._result.items()}


def build(setting: Setting) -> TorchAnswer:
    return TorchAnswer(setting)
