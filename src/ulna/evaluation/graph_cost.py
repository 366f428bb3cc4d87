"""What an expert costs: multiply-adds of its ONNX graph, counted, so the same everywhere."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulna.errors import BundleError, DependencyError

if TYPE_CHECKING:
    import onnx

Shapes = dict[str, tuple[int, ...]]


def multiply_adds(graph: Path | bytes) -> int:
    """Multiply-adds of the graph's convolutions and matrix products for one image.

    Lengths that the graph leaves free (the batch) count as 1; all other work is left out: it is
    a few per cent. Raises DependencyError without the package onnx, BundleError for a graph in
    which a length other than the batch's is not known.
    """
    try:
        import onnx
        from onnx import shape_inference
    except ModuleNotFoundError:
        raise DependencyError(
            "counting what an expert costs needs onnx: install Ulna's extra 'train' "
            "(pip install 'ulna[train]')"
        ) from None
    model = onnx.load_from_string(graph) if isinstance(graph, bytes) else onnx.load(str(graph))
    model = shape_inference.infer_shapes(model, data_prop=True)
    shapes = _shapes(model.graph)
    return sum(_of_node(node, shapes) for node in model.graph.node)


def _shapes(graph: onnx.GraphProto) -> Shapes:
    found: Shapes = {i.name: tuple(i.dims) for i in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        sides = value.type.tensor_type.shape.dim
        found[value.name] = tuple(d.dim_value if d.HasField("dim_value") else 1 for d in sides)
    return found


def _of_node(node: Any, shapes: Shapes) -> int:
    if node.op_type not in ("Conv", "MatMul", "Gemm"):
        return 0
    try:
        output, first, second = shapes[node.output[0]], shapes[node.input[0]], shapes[node.input[1]]
    except KeyError as error:
        raise BundleError(
            f"node {node.name!r}: the shape of {error.args[0]!r} is not known, so its work cannot "
            "be counted: export the bundle again"
        ) from None
    if node.op_type == "Conv":
        return prod(output) * prod(second[1:])
    if node.op_type == "Gemm":
        turned = any(a.name == "transA" and a.i for a in node.attribute)
        return prod(output) * first[0 if turned else -1]
    return prod(output) * first[-1]
