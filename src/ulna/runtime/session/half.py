"""Store the weights of ONNX graphs in half precision, and convert them back.

Every weight tensor is followed by a Cast node to single precision, in which all arithmetic is done.
Both engines fold these nodes when they load a graph, so speed and results are the same as with the
rounded weights in single precision.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

_STORED = "_float16"
_LARGEST = float(np.finfo(np.float16).max)


def rounded(weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Round `weights` to half precision, clipped to its range."""
    within = np.clip(weights, -_LARGEST, _LARGEST)
    return within.astype(np.float16).astype(np.float32)


def store_as_half(model: Any, names: Collection[str]) -> None:
    """Store these float32 initializers of an ONNX model in half precision, in place."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.name not in names:
            continue
        values, name = numpy_helper.to_array(tensor), tensor.name
        half = rounded(values).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half, name + _STORED))
        casts.append(helper.make_node("Cast", [name + _STORED], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def in_single(model: Any) -> Any:
    """Return an ONNX model with all weights in single precision, to read or change them.

    Returns `model` itself if none of its weights is in half precision.
    """
    import copy

    from onnx import numpy_helper

    casts = _casts(model)
    if not casts:
        return model
    model = copy.deepcopy(model)
    for tensor in model.graph.initializer:
        if tensor.name in casts:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, casts[tensor.name]))
    nodes = [n for n in model.graph.node if not (n.op_type == "Cast" and n.input[0] in casts)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _casts(model: Any) -> dict[str, str]:
    """Return the name of each half-precision tensor -> name of its cast to single precision."""
    from onnx import TensorProto

    half = {i.name for i in model.graph.initializer if i.data_type == TensorProto.FLOAT16}
    return {
        n.input[0]: n.output[0]
        for n in model.graph.node
        if n.op_type == "Cast" and n.input[0] in half
    }
