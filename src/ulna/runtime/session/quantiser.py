"""A graph's convolutions in int8, by ONNX Runtime's static quantiser."""

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
    """Activation ranges of one graph, observed once; then int8 for any choice of its layers.

    images: (B, 1, S, S) float32, as `prepare` makes them. Weights keep 7 bits: the sums of CPUs
    without VNNI overflow with 8. costs: multiplications of each layer for one image. Raises
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
            calibrator.infer_session = observing_session(observed)  # its own takes all cores
            calibrator.collect_data(_Reader(images))
            self._ranges = calibrator.compute_data()

    def quantised(self, layers: Collection[str]) -> bytes:
        """The graph with these of its `layers` in int8."""
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
    """By name of a convolution: output cells times weights that each of them reads."""
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
    """One image at a time, as the calibrator asks for them."""

    def __init__(self, images: Array) -> None:
        self._images: Iterator[Array] = iter(images)

    def get_next(self) -> dict[str, Array] | None:
        image = next(self._images, None)
        return None if image is None else {"image": np.ascontiguousarray(image[None])}
