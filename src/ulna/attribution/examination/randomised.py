"""A bundle's graphs with randomised weights (Adebayo et al. 2018, section 3.1)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ulna.errors import BundleError
from ulna.runtime.session.half import in_single

# Only the inputs of these are weights: a resize, for example, reads its factors from a tensor too.
_LEARNED = ("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization")


def randomised_graph(graph: Path, share: float, seed: int) -> bytes:
    """Return `graph` with weights shuffled within each tensor, starting from the output.

    share: of the weight tensors that are shuffled, 1 for all. Shuffling keeps the distribution of
    each tensor, so that activations keep their range. Raises BundleError for a graph without
    weights.
    """
    import onnx
    from onnx import numpy_helper

    model = in_single(onnx.load(str(graph)))
    weights = {i.name: i for i in model.graph.initializer if _is_weight(i)}
    learned = [node for node in model.graph.node if node.op_type in _LEARNED]
    order = list(dict.fromkeys(n for node in learned for n in node.input if n in weights))
    if not order:
        raise BundleError(f"{graph}: no weights: expected a graph of `ulna export`")
    rng = np.random.default_rng(seed)
    for name in order[len(order) - round(share * len(order)) :]:
        own = weights[name]
        values = numpy_helper.to_array(own)
        mixed = rng.permutation(values.ravel()).reshape(values.shape)
        own.CopyFrom(numpy_helper.from_array(mixed, name))
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _is_weight(tensor: object) -> bool:
    from onnx import TensorProto

    floats = (TensorProto.FLOAT, TensorProto.FLOAT16)
    return tensor.data_type in floats and int(np.prod(tensor.dims)) > 1  # type: ignore[attr-defined]
