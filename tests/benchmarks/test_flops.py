"""FLOPs of a graph: by hand, and as torch counts them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from benchmarks.speed.contenders.contender import Setting
from benchmarks.speed.contenders.torch_experts import torch_experts
from benchmarks.speed.flops import graph_flops
from onnx import TensorProto, helper, numpy_helper
from torch.utils.flop_counter import FlopCounterMode


def _graph(nodes: list[onnx.NodeProto], weights: dict[str, tuple[int, ...]], out: int) -> bytes:
    values = [numpy_helper.from_array(np.ones(s, np.float32), n) for n, s in weights.items()]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["b", 4, 10, 12])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["b"] + ["d"] * (out - 1))],
        values,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString()


def test_grouped_strided_convolution_by_hand() -> None:
    node = helper.make_node(
        "Conv", ["image", "w"], ["out"], group=2, strides=[2, 2], pads=[1, 1, 1, 1]
    )
    # 6 x 5 x 6 outputs, each of 2 channels (4 in 2 groups) x 3 x 3
    assert graph_flops(_graph([node], {"w": (6, 2, 3, 3)}, 4)) == 2 * (6 * 5 * 6) * (2 * 3 * 3)


@pytest.mark.parametrize("transposed", [0, 1])
def test_linear_layer_by_hand(transposed: int) -> None:
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["out"], transB=transposed),
    ]
    weights = (7, 4) if transposed else (4, 7)
    assert graph_flops(_graph(nodes, {"w": weights}, 2)) == 2 * 4 * 7


def test_exported_expert_as_torch_counts_it(setting: Setting) -> None:
    expert = torch_experts(setting)["resnet10t"]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        expert(torch.zeros(1, 1, setting.size, setting.size))
    assert graph_flops(setting.bundle / "resnet10t.onnx") == counter.get_total_flops()
