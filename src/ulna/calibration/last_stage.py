"""Which features of a graph come from the last stage of its encoder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

from ulna.bundle import ModelBundle
from ulna.calibration.onnx_graph import read_graph
from ulna.errors import DependencyError, UlnaWarning


def last_stages(bundle: ModelBundle) -> Mapping[str, int]:
    """Return `last_stage_width` of every expert; with UlnaWarning, empty without package onnx."""
    try:
        return {e.name: last_stage_width(bundle.graph_path(e)) for e in bundle.manifest.experts}
    except DependencyError as error:
        message = f"the outlier classifier uses the features of all encoder stages: {error}"
        warnings.warn(message, UlnaWarning, stacklevel=3)
        return {}


def last_stage_width(graph: Path | bytes) -> int:
    """Return how many of a graph's features, the last ones, are of the last stage; 0 if unknown.

    It is the input width of the body-part head. Raises DependencyError without the package onnx.
    """
    model = read_graph(graph, "identifying the last stage of an encoder")
    shapes = {i.name: tuple(i.dims) for i in model.graph.initializer}
    for node in model.graph.node:
        if "body_part" in node.output and node.op_type == "Gemm":
            turned = any(a.name == "transB" and a.i for a in node.attribute)
            shape = shapes.get(node.input[1], (0, 0))
            return int(shape[1 if turned else 0])
    return 0
