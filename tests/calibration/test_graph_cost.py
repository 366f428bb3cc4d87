"""Multiply-adds of a graph, compared with sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from ulna.calibration.graph_cost import multiply_adds
from ulna.errors import BundleError


def graph(free: bool = False) -> bytes:
    """A 3 x 3 convolution of stride 2 with 2 groups, then a matrix product and a Gemm."""
    values = {
        "kernel": np.zeros((8, 2, 3, 3)),
        "matrix": np.zeros((5, 6)),
        "dense": np.zeros((7, 6)),
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["y"], group=2, strides=[2, 2], pads=[1] * 4),
        helper.make_node("MatMul", ["y", "matrix"], ["z"]),
        helper.make_node("ReduceMean", ["z"], ["flat"], axes=[1, 2], keepdims=0),
        helper.make_node("Gemm", ["flat", "dense"], ["abnormal"], transB=1),
    ]
    sides: list[str | int | None] = ["B", 4, None if free else 12, 10]
    made = helper.make_graph(
        nodes,
        "cost",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("abnormal", TensorProto.FLOAT, ["B", 7])],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in values.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(made, opset_imports=opset, ir_version=8)
    return bytes(model.SerializeToString())


def test_it_is_the_sum_over_convolutions_and_products() -> None:
    convolution = 8 * 6 * 5 * (2 * 3 * 3)
    product = 8 * 6 * 6 * 5
    assert multiply_adds(graph()) == convolution + product + 7 * 6


def test_an_image_of_unknown_size_is_refused() -> None:
    with pytest.raises(BundleError, match="cannot be counted"):
        multiply_adds(graph(free=True))
