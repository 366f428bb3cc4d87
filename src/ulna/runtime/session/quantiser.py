"""Quantise a graph's convolutions to int8 with ONNX Runtime's static quantisation."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ulna.errors import BundleError
from ulna.no_telemetry import no_telemetry
from ulna.runtime.session.half import in_single
from ulna.types import Array

METHOD = "ONNX Runtime static QDQ, weights by channel in 7 bits, activations in 8, min-max"


class GraphQuantiser:
    """Quantise any subset of a graph's layers, with activation ranges that are observed once.

    images: (B, 1, S, S) float32, prepared by `prepare`. Weights have 7 bits, since with 8 the sums
    would overflow on CPUs without VNNI. costs: multiplications of each layer for one image. Raises
    BundleError for a graph without convolutions.
    """

    def __init__(self, graph: Path, images: Array) -> None:
        import onnx

        from ulna.runtime.session.onnxruntime_graph import observing_session

        with no_telemetry():
            from onnxruntime.quantization.calibrate import create_calibrator

        model = in_single(onnx.load(str(graph)))
        self._model = onnx.shape_inference.infer_shapes(model)
        self.layers = [n.name for n in self._model.graph.node if n.op_type == "Conv"]
        if not self.layers:
            raise BundleError(f"{graph}: no convolutions: expected a graph of `ulna export`")
        self.costs = _multiplications(self._model)
        with tempfile.TemporaryDirectory() as folder:
            observed = Path(folder) / "observed.onnx"
            whole = Path(folder) / "whole.onnx"
            onnx.save(model, str(whole))
            calibrator = create_calibrator(whole, ["Conv"], augmented_model_path=str(observed))
            calibrator.infer_session = observing_session(observed)  # the default uses all cores
            calibrator.collect_data(_Reader(images))
            self._ranges = calibrator.compute_data()

    def quantised(self, layers: Collection[str]) -> bytes:
        """Return the graph with these of its `layers` in int8."""
        import copy

        with no_telemetry():
            from onnxruntime.quantization import QuantType
            from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

        quantiser = QDQQuantizer(
            copy.deepcopy(self._model),
            per_channel=True,
            reduce_range=True,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=self._ranges,
            nodes_to_quantize=[n for n in self.layers if n in layers],
            nodes_to_exclude=[n for n in self.layers if n not in layers],
            op_types_to_quantize=["Conv"],
            extra_options={},
        )
        if layers:
            quantiser.quantize_model()
        graph: bytes = quantiser.model.model.SerializeToString(deterministic=True)
        return graph


def _multiplications(model: Any) -> dict[str, float]:
    """Return, by convolution, the number of output cells times weights per cell."""
    graph = model.graph
    cells = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim][1:]
        for v in [*graph.value_info, *graph.output]
    }
    read = {i.name: i.dims[1:] for i in graph.initializer}
    return {
        n.name: float(np.prod(cells.get(n.output[0], [1])) * np.prod(read.get(n.input[1], [1])))
        for n in graph.node
        if n.op_type == "Conv"
    }


class _Reader:
    """Iterate over single images for ONNX Runtime's calibrator."""

    def __init__(self, images: Array) -> None:
        self._images: Iterator[Array] = iter(images)

    def get_next(self) -> dict[str, Array] | None:
        image = next(self._images, None)
        return None if image is None else {"image": np.ascontiguousarray(image[None])}
