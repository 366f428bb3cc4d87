"""Ulna's engines by name, precision and number of threads."""

from __future__ import annotations

from pathlib import Path

from ulna.config.engine import EngineSettings
from ulna.runtime import Predictor
from ulna.runtime.session import LoadedGraph, Session
from ulna.runtime.session.choice import openvino_installed, resolve


def precisions_here() -> dict[str, list[str]]:
    """What Ulna's engines run in on this CPU, by engine, the fastest last."""
    result = {"onnxruntime": ["fp32"]}
    if openvino_installed():
        from ulna.runtime.session.openvino_graph import capabilities

        result["openvino"] = ["fp32", *(["bf16"] if "BF16" in capabilities() else [])]
    return result


def automatic_engine() -> tuple[str, str]:
    """Engine and precision that 'auto' becomes on this machine."""
    result = resolve(EngineSettings("auto"))
    return result.engine, result.precision


def _settings(engine: str, precision: str, threads: int) -> EngineSettings:
    return EngineSettings.parse(f"{engine}:{precision}:{threads}")


def load_session(graph: Path, engine: str, precision: str, threads: int) -> Session:
    return Session(graph, _settings(engine, precision, threads))


def load_predictor(bundle: Path, engine: str, precision: str, threads: int) -> Predictor:
    return Predictor.load(bundle, engine=_settings(engine, precision, threads))


def load_graph(graph: Path, engine: str, precision: str, threads: int) -> LoadedGraph:
    """A graph that need not be an expert's, loaded as Ulna's sessions load theirs."""
    settings = _settings(engine, precision, threads)
    if engine == "openvino":
        from ulna.runtime.session.openvino_graph import OpenVinoGraph

        return OpenVinoGraph(graph, settings, graph.name)
    from ulna.runtime.session.onnxruntime_graph import OnnxRuntimeGraph

    return OnnxRuntimeGraph(graph, settings, graph.name)
