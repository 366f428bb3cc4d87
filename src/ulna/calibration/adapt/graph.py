"""The abnormal head in an expert's ONNX graph: read its inputs and replace its weights.

The head is a 1 x 1 convolution. Its output, plus the attention's evidence where there is an
attention, is the heat map, and the logit is the mean of the map plus a bias. A change of the head's
weights therefore changes map and logit together, and `logit = mean(map) + bias` holds in the
changed graph as well. A graph with test-time augmentation (the mirror image, other scales) has one
head for each version of the image, all with the same weights; answers and inputs are averaged.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ulna.errors import BundleError, DependencyError
from ulna.runtime.session.half import in_single

if TYPE_CHECKING:
    import onnx

Floats = npt.NDArray[np.float64]
ATTENDED = "attended"
_WEIGHT, _BIAS = "adapted.abnormal.weight", "adapted.abnormal.bias"


def probing_graph(graph: Path) -> bytes:
    """Return the graph with one output more, "attended" (B, C): mean inputs of the abnormal head.

    Raises BundleError where the head cannot be identified in the graph (int8), DependencyError
    without the package onnx.
    """
    onnx = _onnx()
    model = onnx.load(str(graph))
    heads = [head for head, _ in _heads(model, graph)]
    node, pooled = onnx.helper.make_node, []
    for k, head in enumerate(heads):
        pooled.append(f"{ATTENDED}.pooled.{k}")
        model.graph.node.append(node("GlobalAveragePool", [head.input[0]], [pooled[-1]]))
    model.graph.node.append(node("Mean", pooled, [f"{ATTENDED}.mean"]))
    model.graph.node.append(node("Flatten", [f"{ATTENDED}.mean"], [ATTENDED]))
    width = _weights(model, heads[0]).shape[1]
    kind = onnx.TensorProto.FLOAT
    model.graph.output.append(
        onnx.helper.make_tensor_value_info(ATTENDED, kind, ["batch", int(width)])
    )
    return _bytes(model)


def with_head_moved(graph: Path, weight: Floats, bias: Floats) -> bytes:
    """Return the graph with `weight` (P, C) and `bias` (P,) added to its abnormal head.

    The sums are stored in single precision, whatever the precision of the other weights. Raises
    the errors of `probing_graph`.
    """
    onnx = _onnx()
    model = onnx.load(str(graph))
    for head, last in _heads(model, graph):
        own = _weights(model, head)
        moved = own + weight.reshape(own.shape)
        _put(model, head, 1, moved, _WEIGHT)
        known = _initializers(in_single(model))
        place = next(i for i, name in enumerate(last.input) if name in known)
        _put(model, last, place, _values(model, last.input[place]) + bias, _BIAS)
    return _bytes(model)


def _onnx() -> Any:
    try:
        import onnx
        from onnx import helper, numpy_helper  # noqa: F401 (used by the callers as attributes)
    except ModuleNotFoundError:
        raise DependencyError(
            "changing the head of an expert needs onnx: install Ulna's extra 'train' "
            "(pip install 'ulna[train]')"
        ) from None
    return onnx


def _bytes(model: onnx.ModelProto) -> bytes:
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _heads(model: onnx.ModelProto, graph: Path) -> list[tuple[Any, Any]]:
    """Return (convolution of the map, addition of the logit) for each version of the image."""
    made = {name: node for node in model.graph.node for name in node.output}
    known = _initializers(in_single(model))
    heads = [(_head(made, last), last) for last in _logits(made)]
    if not heads or not all(
        head is not None
        and known.get(head.input[1], ())[2:] == (1, 1)
        and any(name in known for name in last.input)
        for head, last in heads
    ):
        raise BundleError(
            f"{graph}: the abnormal head cannot be identified in this graph: expected a graph of "
            "`ulna export` in float32 or float16; use recalibration without moved heads"
        )
    return heads


def _logits(made: dict[str, Any]) -> list[Any]:
    """Return the additions of map and bias whose mean is the output "abnormal"."""
    last = made.get("abnormal")
    if last is not None and last.op_type == "ReduceMean":
        stack: Any = made.get(last.input[0])
        single = stack is None or stack.op_type == "Unsqueeze"
        views = [stack] if single else [made.get(name) for name in stack.input]
        adds = [made.get(v.input[0]) for v in views if v is not None and v.op_type == "Unsqueeze"]
        return [a for a in adds if a is not None and a.op_type == "Add"]
    return [last] if last is not None and last.op_type == "Add" else []


def _head(made: dict[str, Any], last: Any) -> Any:
    """Return the convolution before the mean to which `last` adds the bias, None without one."""
    mean = next((made[i] for i in last.input if i in made and "Reduce" in made[i].op_type), None)
    node = None if mean is None else made.get(mean.input[0])
    if node is not None and node.op_type == "Add":  # the attention's evidence
        above = [made[i] for i in node.input if i in made]
        node = next((n for n in above if n.op_type == "Conv"), None)
    return node if node is not None and node.op_type == "Conv" else None


def _initializers(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    return {i.name: tuple(i.dims) for i in model.graph.initializer}


def _values(model: onnx.ModelProto, name: str) -> Floats:
    onnx = _onnx()
    tensor = next(i for i in in_single(model).graph.initializer if i.name == name)
    return np.asarray(onnx.numpy_helper.to_array(tensor), np.float64)


def _weights(model: onnx.ModelProto, head: Any) -> Floats:
    """Return the weights (P, C, 1, 1) of the head."""
    return _values(model, head.input[1])


def _put(model: onnx.ModelProto, node: Any, place: int, values: Floats, name: str) -> None:
    """Make `values` the input `place` of `node`; remove its former input if otherwise unused."""
    onnx = _onnx()
    before, count = node.input[place], 1
    while any(i.name == name for i in model.graph.initializer):  # an adapted bundle, adapted again
        name, count = f"{name}.{count}", count + 1
    model.graph.initializer.append(onnx.numpy_helper.from_array(values.astype(np.float32), name))
    node.input[place] = name
    for _ in range(2):  # a weight stored in half precision, and the node that casts it to single
        read = {i for n in model.graph.node for i in n.input}
        if before in read:
            return
        casts = [n for n in model.graph.node if before in n.output]
        for tensor in [i for i in model.graph.initializer if i.name == before]:
            model.graph.initializer.remove(tensor)
        for cast in casts:
            before = cast.input[0]
            model.graph.node.remove(cast)
