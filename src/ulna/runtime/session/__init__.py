"""Inference engines: an expert's ONNX graph, run by ONNX Runtime or OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from ulna.config.engine import PORTABLE, EngineSettings
from ulna.errors import BundleError
from ulna.runtime.fusion import ExpertOutput
from ulna.runtime.session.choice import resolve
from ulna.types import Array

# Limits the memory for a study with very many views; a VGG19 takes 0.1 GB per image at 224 px.
MAX_BATCH = 16


class LoadedGraph(Protocol):
    """A graph loaded by an engine, with the names of its inputs and outputs (all float32)."""

    inputs: list[str]
    outputs: list[str]

    def run(self, images: Array) -> dict[str, Array]:
        """Return every output for `images` (B, 1, S, S), by name."""


class Session:
    """An expert's graph: input "image", outputs "abnormal", "body_part", "finding", "cam" and more.

    Optional outputs that it lacks (earlier versions, or no finding head) are empty. engine: the
    resolved settings. Raises ConfigError if the engine is not available, and BundleError for a
    graph that it cannot load or that is not an expert's.
    """

    def __init__(self, graph: Path | bytes, engine: EngineSettings = PORTABLE) -> None:
        self.engine = resolve(engine)
        name = f"{len(graph)} bytes" if isinstance(graph, bytes) else str(graph)
        self._graph = _load(graph, self.engine, name)
        self._outputs = self._graph.outputs
        missing = {"abnormal", "body_part", "cam"} - set(self._outputs)
        if self._graph.inputs != ["image"] or missing:
            raise BundleError(
                f"{name}: outputs {self._outputs}: expected a graph of `ulna export`, with the "
                "input 'image' and the outputs 'abnormal', 'body_part', 'cam'"
            )

    def run(self, images: Array) -> list[ExpertOutput]:
        """Return one output for each of `images` (B, 1, S, S) float32, prepared by `prepare`."""
        return [
            output
            for start in range(0, len(images), MAX_BATCH)
            for output in self._run(images[start : start + MAX_BATCH])
        ]

    def _run(self, images: Array) -> list[ExpertOutput]:
        outputs = self._graph.run(np.ascontiguousarray(images))
        empty = np.zeros((len(images), 0), np.float32)
        names = ("abnormal", "body_part", "finding", "cam", "features")
        batch = [outputs.get(name, empty) for name in names]
        batch.append(outputs.get("finding_cam", np.zeros((len(images), 0, 1, 1), np.float32)))
        batch.append(outputs.get("attended", empty))
        return [ExpertOutput(*(values[i] for values in batch)) for i in range(len(images))]


def _load(graph: Path | bytes, engine: EngineSettings, name: str) -> LoadedGraph:
    """Load the graph with the engine of the resolved settings."""
    if engine.engine == "openvino":
        from ulna.runtime.session.openvino_graph import OpenVinoGraph

        return OpenVinoGraph(graph, engine, name)
    from ulna.runtime.session.onnxruntime_graph import OnnxRuntimeGraph

    return OnnxRuntimeGraph(graph, engine, name)
