"""The only place of the inference engines: an expert's ONNX graph, run by one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from ulna.config.engine import PORTABLE, EngineSettings
from ulna.errors import BundleError
from ulna.runtime.fusion import ExpertOutput
from ulna.runtime.session.choice import resolve
from ulna.types import Array

# Bounds the memory of a study with very many views; a VGG19 takes 0.1 GB per image at 224 px.
MAX_BATCH = 16


class LoadedGraph(Protocol):
    """What an engine makes of a graph: its names, and float32 in, float32 out."""

    inputs: list[str]
    outputs: list[str]

    def run(self, images: Array) -> dict[str, Array]:
        """Every output for `images` (B, 1, S, S), by name."""


class Session:
    """One graph: input "image" (B, 1, S, S), outputs "abnormal", "body_part", "finding", "cam".

    "finding", "features" and "finding_cam" are empty from graphs that lack them (earlier versions;
    no finding head). engine: what it was resolved to. Raises ConfigError where the engine is not
    to be had, BundleError for a graph that it cannot load or that is no expert's.
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
        """One output for each of `images` (B, 1, S, S) float32, as `prepare` makes them."""
        return [
            output
            for start in range(0, len(images), MAX_BATCH)
            for output in self._run(images[start : start + MAX_BATCH])
        ]

    def _run(self, images: Array) -> list[ExpertOutput]:
        result = self._graph.run(np.ascontiguousarray(images))
        nothing = np.zeros((len(images), 0), np.float32)
        names = ("abnormal", "body_part", "finding", "cam", "features")
        given = [result.get(name, nothing) for name in names]
        given.append(result.get("finding_cam", np.zeros((len(images), 0, 1, 1), np.float32)))
        given.append(result.get("looked", nothing))
        return [ExpertOutput(*(values[i] for values in given)) for i in range(len(images))]


def _load(graph: Path | bytes, engine: EngineSettings, name: str) -> LoadedGraph:
    """The graph in the engine of resolved settings."""
    if engine.engine == "openvino":
        from ulna.runtime.session.openvino_graph import OpenVinoGraph

        return OpenVinoGraph(graph, engine, name)
    from ulna.runtime.session.onnxruntime_graph import OnnxRuntimeGraph

    return OnnxRuntimeGraph(graph, engine, name)
