"""FLOPs of an ONNX graph for one image: two for each multiply-add of its matrix products."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import onnx
from onnx import shape_inference


def graph_flops(graph: Path | bytes) -> int:
    """FLOPs of the convolutions and matrix products of `graph` for one image.

    What is left out (normalising, activations, pooling) is memory traffic, not arithmetic: under
    1 % of the operations of these networks. Raises ValueError where a shape is not known.
    """
    model = onnx.load_from_string(graph) if isinstance(graph, bytes) else onnx.load(graph)
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = 1
    del model.graph.value_info[:]  # written for any batch
    for value in model.graph.output:
        value.type.tensor_type.shape.dim[0].Clear()
    inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    shapes = {w.name: tuple(w.dims) for w in inferred.initializer}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        shapes[value.name] = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    return sum(_node_flops(node, shapes) for node in inferred.node)


def _node_flops(node: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    if node.op_type not in ("Conv", "Gemm", "MatMul"):
        return 0
    out = shapes.get(node.output[0], ())
    if not out or not all(out):
        raise ValueError(f"node {node.name or node.output[0]}: shape {out}: expected a known one")
    first, second = (shapes[name] for name in node.input[:2])
    if node.op_type == "Conv":  # weights (C_out, C_in / groups, kh, kw)
        return 2 * prod(out) * prod(second[1:])
    transposed = any(a.name == "transA" and a.i for a in node.attribute)
    return 2 * prod(out) * first[-2 if transposed else -1]
