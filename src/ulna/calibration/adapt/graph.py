"""The abnormal head of an expert's ONNX graph: what it reads, and other weights in its place.

The head is a 1 x 1 convolution whose output, with the attention's evidence added where there is
any, is the map; the logit is the map's mean plus a bias. So a change of the head's weights changes
map and logit alike, and `logit = mean(map) + bias` holds of the changed graph as well. A graph that
looks at several views of an image (its mirror image, other scales) has a head for each, of the same
weights; its answer is their mean, and so is what they look at.
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
ATTENDED = "looked"
_WEIGHT, _BIAS = "adapted.abnormal.weight", "adapted.abnormal.bias"


def probing_graph(graph: Path) -> bytes:
    """The same graph with one output more, "looked" (B, C): means of what the abnormal head reads.

    Raises BundleError for a graph whose head cannot be told apart (int8), DependencyError without
    the package onnx.
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
    """The same graph whose abnormal head has `weight` (P, C) and `bias` (P,) added to its own.

    The sums are stored in single precision, whatever the rest is stored in. Raises as
    `probing_graph`.
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
        from onnx import helper, numpy_helper  # noqa: F401 (named by the callers)
    except ModuleNotFoundError:
        raise DependencyError(
            "reading an expert's head needs onnx: install Ulna's extra 'train' "
            "(pip install 'ulna[train]')"
        ) from None
    return onnx


def _bytes(model: onnx.ModelProto) -> bytes:
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _heads(model: onnx.ModelProto, graph: Path) -> list[tuple[Any, Any]]:
    """Of each view the convolution that makes its map, and the addition that makes its logit."""
    made = {name: node for node in model.graph.node for name in node.output}
    known = _initializers(in_single(model))
    result = [(_head(made, last), last) for last in _logits(made)]
    if not result or not all(
        head is not None
        and known.get(head.input[1], ())[2:] == (1, 1)
        and any(name in known for name in last.input)
        for head, last in result
    ):
        raise BundleError(
            f"{graph}: the head of abnormality cannot be told apart in this graph: expected one of "
            "`ulna export` in float32 or float16; recalibrate alone"
        )
    return result


def _logits(made: dict[str, Any]) -> list[Any]:
    """The addition of map and bias of each view whose mean is the output "abnormal"."""
    last = made.get("abnormal")
    if last is not None and last.op_type == "ReduceMean":
        stack: Any = made.get(last.input[0])
        alone = stack is None or stack.op_type == "Unsqueeze"
        views = [stack] if alone else [made.get(name) for name in stack.input]
        adds = [made.get(v.input[0]) for v in views if v is not None and v.op_type == "Unsqueeze"]
        return [a for a in adds if a is not None and a.op_type == "Add"]
    return [last] if last is not None and last.op_type == "Add" else []


def _head(made: dict[str, Any], last: Any) -> Any:
    """The convolution behind the mean that `last` adds the bias to; None where there is none."""
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
    result = next(i for i in in_single(model).graph.initializer if i.name == name)
    return np.asarray(onnx.numpy_helper.to_array(result), np.float64)


def _weights(model: onnx.ModelProto, head: Any) -> Floats:
    """(P, C, 1, 1) of the head."""
    return _values(model, head.input[1])


def _put(model: onnx.ModelProto, node: Any, place: int, values: Floats, name: str) -> None:
    """Let `node` read `values` at `place`; what it read before goes where nothing else does."""
    onnx = _onnx()
    before, count = node.input[place], 1
    while any(i.name == name for i in model.graph.initializer):  # adapted before
        name, count = f"{name}.{count}", count + 1
    model.graph.initializer.append(onnx.numpy_helper.from_array(values.astype(np.float32), name))
    node.input[place] = name
    for _ in range(2):  # a weight stored in half, and the node that turns it to single
        read = {i for n in model.graph.node for i in n.input}
        if before in read:
            return
        casts = [n for n in model.graph.node if before in n.output]
        for tensor in [i for i in model.graph.initializer if i.name == before]:
            model.graph.initializer.remove(tensor)
        for cast in casts:
            before = cast.input[0]
            model.graph.node.remove(cast)
