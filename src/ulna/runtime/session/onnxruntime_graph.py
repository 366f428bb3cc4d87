"""ONNX Runtime, the portable engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ulna.config.engine import EngineSettings
from ulna.errors import BundleError, ConfigError
from ulna.machine import arithmetic_threads
from ulna.no_telemetry import no_telemetry
from ulna.types import Array

with no_telemetry():
    import onnxruntime as ort
# Needed on Windows, and if the calling program imported it earlier.
ort.disable_telemetry_events()

PROVIDERS: Mapping[str, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
_ERRORS_ONLY = 3


def version() -> str:
    """Return the version of the installed ONNX Runtime, whichever build it is."""
    return str(ort.__version__)


def providers() -> list[str]:
    """Return those of PROVIDERS that the installed ONNX Runtime was built with."""
    built = set(ort.get_available_providers())
    return [name for name, provider in PROVIDERS.items() if provider in built]


def check_provider(name: str) -> None:
    """Raise ConfigError unless ONNX Runtime was built with this provider."""
    available = providers()
    if name not in available:
        raise ConfigError(
            f"provider {name!r}: ONNX Runtime {version()} here has {', '.join(available)}: take "
            "one of these, or install a build of ONNX Runtime with it (onnxruntime-gpu for cuda "
            "and tensorrt)"
        )


def session_options(threads: int = 0) -> ort.SessionOptions:
    """Return the options of all sessions. threads: 0 for as many as this process may use.

    By default ONNX Runtime would use all cores of the machine, whatever the process may use.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or arithmetic_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Experts run one after another, so waiting threads must not occupy the cores of the next one.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def observing_session(graph: Path) -> ort.InferenceSession:
    """Load a graph on the CPU without optimisation, to observe the outputs of all nodes."""
    options = session_options()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(graph), options, providers=[PROVIDERS["cpu"]])


class OnnxRuntimeGraph:
    """A graph in ONNX Runtime.

    Raises ConfigError if the provider does not start, BundleError if the graph cannot be loaded.
    """

    def __init__(self, graph: Path | bytes, engine: EngineSettings, name: str) -> None:
        check_provider(engine.provider)
        options = session_options(engine.threads)
        source = graph if isinstance(graph, bytes) else str(graph)
        word = PROVIDERS[engine.provider]
        # GPU providers leave a few nodes (shapes) to the CPU provider.
        wanted = list(dict.fromkeys([word, PROVIDERS["cpu"]]))
        try:
            self._session = ort.InferenceSession(source, options, providers=wanted)
        except Exception as error:  # the engine's own errors have no common base but Exception
            raise BundleError(
                f"{name}: the inference engine cannot load this graph: {error}; export it again"
            ) from None
        started = self._session.get_providers()
        if word not in started:  # the engine would silently continue on the CPU
            raise ConfigError(
                f"provider {engine.provider!r} did not start (libraries or device missing); "
                f"ONNX Runtime would go on with {', '.join(started)}: select that, or install "
                "what it needs"
            )
        self.inputs = [i.name for i in self._session.get_inputs()]
        self.outputs = [o.name for o in self._session.get_outputs()]

    def run(self, images: Array) -> dict[str, Array]:
        """Return every output for `images` (B, 1, S, S), by name."""
        values = self._session.run(self.outputs, {"image": images})
        return dict(zip(self.outputs, values, strict=True))
