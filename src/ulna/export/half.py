"""Weights in half precision: a graph of half the size, and the rounded torch module."""

from __future__ import annotations

import copy

import numpy as np
import torch

from ulna.models import Expert
from ulna.models.test_time_augmentation import TestTimeAugmentation
from ulna.runtime.session.half import rounded, store_as_half

# Smaller tensors (biases, statistics) take little space and stay exact.
_LEAST_WEIGHTS = 256


def in_half(
    expert: Expert | TestTimeAugmentation, graph: bytes
) -> tuple[bytes, Expert | TestTimeAugmentation]:
    """Return `graph` of `expert` with weights in half precision, and the equivalent torch module.

    The weights are rounded as the graph holds them, in which the exporter has multiplied those of a
    convolution with the factors of the batch normalisation behind it: each by at most 2**-11 of its
    size. Every weight of the module is changed by the same factor.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load_from_string(graph)
    rounded_expert = copy.deepcopy(expert)
    # The exporter names weights by their path in its wrapper module, which holds the expert.
    parameters = {f"expert.{name}": p for name, p in rounded_expert.named_parameters()}
    chosen = []
    for tensor in model.graph.initializer:
        weight = parameters.get(tensor.name)
        if weight is None or tuple(tensor.dims) != tuple(weight.shape):
            continue
        values = numpy_helper.to_array(tensor)
        if weight.ndim < 2 or values.size < _LEAST_WEIGHTS or values.dtype != np.float32:
            continue
        chosen.append(tensor.name)
        share = np.divide(rounded(values), values, out=np.ones_like(values), where=values != 0)
        with torch.no_grad():
            weight.mul_(torch.from_numpy(share))
    store_as_half(model, chosen)
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised, rounded_expert
