"""Computational cost of an expert: the multiply-adds of its ONNX graph, on any machine the same."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulna.calibration.onnx_graph import read_graph
from ulna.errors import BundleError

if TYPE_CHECKING:
    import onnx

Shapes = dict[str, tuple[int, ...]]


def multiply_adds(graph: Path | bytes) -> int:
    """Count the multiply-adds of the graph's convolutions and matrix products for one image.

    All other operations are left out; they are a few per cent. Raises DependencyError without the
    package onnx, BundleError for a graph with an unknown dimension other than the batch's.
    """
    model = read_graph(graph, "counting the operations of an expert")
    from onnx import shape_inference

    model = shape_inference.infer_shapes(model, data_prop=True)
    shapes = _shapes(model.graph)
    return sum(_of_node(node, shapes) for node in model.graph.node)


def _shapes(graph: onnx.GraphProto) -> Shapes:
    result: Shapes = {i.name: tuple(i.dims) for i in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        sides = value.type.tensor_type.shape.dim
        result[value.name] = tuple(d.dim_value for d in sides)  # 0 where it is not known
    return result


def _known(name: str, shapes: Shapes) -> tuple[int, ...]:
    """Return the shape, with 1 for an unknown first dimension, that of the batch."""
    shape = shapes.get(name, ())
    if not shape or 0 in shape[1:]:
        raise BundleError(
            f"the shape of {name!r} is not known, so the graph's operations cannot be counted: "
            "export the bundle again"
        )
    return (shape[0] or 1, *shape[1:])


def _of_node(node: Any, shapes: Shapes) -> int:
    if node.op_type not in ("Conv", "MatMul", "Gemm"):
        return 0
    output, first, second = (
        _known(n, shapes) for n in (node.output[0], node.input[0], node.input[1])
    )
    if node.op_type == "Conv":
        return prod(output) * prod(second[1:])
    if node.op_type == "Gemm":
        turned = any(a.name == "transA" and a.i for a in node.attribute)
        return prod(output) * first[0 if turned else -1]
    return prod(output) * first[-1]
