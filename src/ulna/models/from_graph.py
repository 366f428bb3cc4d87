"""A torch module with the weights of a bundle's graph, for fine-tuning without the run.

The exporter multiplies a batch normalisation into the convolution before it. The module gets these
products, and normalisations that only add the bias. It computes what the graph does, but the
weights and normalisation before export cannot be recovered.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig
from ulna.errors import WeightsError
from ulna.models.expert import Expert, build_expert
from ulna.types import BodyPart, FindingCategory

_HALF = "_float16"
_FOLDED = ".weight_bias"
_MODULE = "expert."
# Linear heads that the graph applies to every cell, where their weights have other names.
_MAPS = {"cam": "abnormal.weight", "finding_cam": "finding.weight"}
# Enough for the strides of any encoder.
_SIDE = 128

Values = dict[str, Tensor]


def expert_of_graph(
    graph: Path,
    config: ExpertConfig,
    parts: tuple[BodyPart, ...],
    categories: tuple[FindingCategory, ...],
    spec: InputSpec,
) -> Expert:
    """Return the expert of the graph file `graph`, in evaluation mode on the CPU.

    Raises WeightsError where a weight of the expert is missing in the graph, or has another shape.
    """
    import onnx

    model = onnx.load(str(graph)).graph
    expert = build_expert(config, parts, categories, spec)
    values = _values(model)
    for output, name in _MAPS.items():
        if (weight := _map_weight(model, output)) is not None:
            values[name] = weight.flatten(1)
    given = {name: values[name] for name in expert.state_dict() if name in values}
    given |= _unfolded(expert, values)
    missing = [
        name
        for name, own in expert.state_dict().items()
        if not name.endswith("num_batches_tracked")
        and (name not in given or given[name].shape != own.shape)
    ]
    if missing:
        raise WeightsError(
            f"{graph}: {len(missing)} weights of expert {config.name!r} are not in the graph, or "
            f"of another shape: {', '.join(missing[:3])}: expected a graph of `ulna export` that "
            "is not in int8"
        )
    expert.load_state_dict(given, strict=False)
    return expert.eval()


def _values(model: Any) -> Values:
    """Return the graph's constants in single precision, by their names in the expert."""
    from onnx import numpy_helper

    result = {}
    for tensor in model.initializer:
        name = tensor.name.removesuffix(_HALF)
        while name.startswith(_MODULE):  # twice with test-time augmentation
            name = name.removeprefix(_MODULE)
        array = numpy_helper.to_array(tensor)
        if array.dtype in (np.float16, np.float32):
            result[name] = torch.from_numpy(array.astype(np.float32))
    return result


def _map_weight(model: Any, output: str) -> Tensor | None:
    """Return the (P, C, 1, 1) weight of the convolution that computes the map `output`."""
    from onnx import numpy_helper

    constants = {t.name: t for t in model.initializer}
    made_by = {name: node for node in model.node for name in node.output}
    waiting, seen = [output], set[str]()
    while waiting:
        name = waiting.pop(0)
        node = made_by.get(name)
        if node is None or name in seen:
            continue
        seen.add(name)
        if node.op_type == "Conv":
            weight = node.input[1]
            cast = made_by.get(weight)  # stored in half precision
            tensor = constants[cast.input[0] if cast is not None else weight]
            return torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32))
        waiting += node.input
    return None


def _unfolded(expert: Expert, values: Values) -> Values:
    """Return normalisations that only add the bias which the exporter has folded.

    A bias renamed by the exporter, without a normalisation behind it, is the convolution's own. The
    exporter omits a bias of zeros.
    """
    result: Values = {}
    followed = dict(_pairs(expert))
    convolutions = [n for n, m in expert.named_modules() if isinstance(m, nn.Conv2d)]
    for conv in convolutions:
        bias, norm = values.get(f"{conv}{_FOLDED}"), followed.get(conv)
        own = expert.get_submodule(conv).bias
        if isinstance(own, Tensor) and f"{conv}.bias" not in values:
            named_anew = bias is not None and norm is None
            result[f"{conv}.bias"] = bias if named_anew else torch.zeros_like(own)  # type: ignore[assignment]
        if bias is None or norm is None:
            continue
        module = expert.get_submodule(norm)
        assert isinstance(module, nn.BatchNorm2d)
        result[f"{norm}.weight"] = torch.full_like(bias, float(np.sqrt(1 + module.eps)))
        result[f"{norm}.bias"] = bias
        result[f"{norm}.running_mean"] = torch.zeros_like(bias)
        result[f"{norm}.running_var"] = torch.ones_like(bias)
    return result


def _pairs(expert: Expert) -> Iterator[tuple[str, str]]:
    """Yield (convolution, batch normalisation that reads its output), by name."""
    names = {module: name for name, module in expert.named_modules()}
    made: dict[int, str] = {}
    kept: list[Tensor] = []  # kept alive, so that no id is reused
    result: list[tuple[str, str]] = []

    def after(module: nn.Module, _given: tuple[Tensor, ...], out: Tensor) -> None:
        made[id(out)] = names[module]
        kept.append(out)

    def before(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        if (conv := made.get(id(given[0]))) is not None:
            result.append((conv, names[module]))

    hooks = [m.register_forward_hook(after) for m in names if isinstance(m, nn.Conv2d)]
    norms = [m for m in names if isinstance(m, nn.BatchNorm2d)]
    hooks += [m.register_forward_pre_hook(before) for m in norms]
    try:
        with torch.no_grad():
            expert.eval()(torch.zeros(1, 1, _SIDE, _SIDE))
    finally:
        for hook in hooks:
            hook.remove()
    yield from result
