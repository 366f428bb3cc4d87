"""The work that the plan reckons with, as torch counts it."""

from __future__ import annotations

import torch
from benchmarks.speed.contenders.contender import Setting
from benchmarks.speed.contenders.torch_experts import torch_experts
from torch.utils.flop_counter import FlopCounterMode

from ulna.calibration.graph_cost import multiply_adds


def test_exported_expert_as_torch_counts_it(setting: Setting) -> None:
    expert = torch_experts(setting)["resnet10t"]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        expert(torch.zeros(1, 1, setting.size, setting.size))
    assert 2 * multiply_adds(setting.bundle / "resnet10t.onnx") == counter.get_total_flops()
