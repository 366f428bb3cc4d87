"""A graph in ONNX Runtime: the portable engine."""

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
# On Windows, and where the caller's program imported it before, this is what there is.
ort.disable_telemetry_events()

PROVIDERS: Mapping[str, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
_ERRORS_ONLY = 3


def version() -> str:
    """Of the installed ONNX Runtime, whichever build it is."""
    return str(ort.__version__)


def providers() -> list[str]:
    """Those of PROVIDERS that the installed ONNX Runtime was built with."""
    there = set(ort.get_available_providers())
    return [name for name, word in PROVIDERS.items() if word in there]


def check_provider(name: str) -> None:
    """ConfigError, saying which are there, unless ONNX Runtime was built with it."""
    there = providers()
    if name not in there:
        raise ConfigError(
            f"provider {name!r}: ONNX Runtime {version()} here has {', '.join(there)}: take "
            "one of these, or install a build of ONNX Runtime with it (onnxruntime-gpu for cuda "
            "and tensorrt)"
        )


def session_options(threads: int = 0) -> ort.SessionOptions:
    """Of every session here. threads: 0 for as many as this process may use.

    Left to itself ONNX Runtime takes all cores of the machine, whatever the process may use.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or arithmetic_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Experts run one after another: threads that wait must not burn the next one's cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def observing_session(graph: Path) -> ort.InferenceSession:
    """The graph on the CPU with every node as it is written, for who watches all of them."""
    options = session_options()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(graph), options, providers=[PROVIDERS["cpu"]])


class OnnxRuntimeGraph:
    """One graph. Raises ConfigError where the provider does not start, BundleError."""

    def __init__(self, graph: Path | bytes, engine: EngineSettings, name: str) -> None:
        check_provider(engine.provider)
        options = session_options(engine.threads)
        source = graph if isinstance(graph, bytes) else str(graph)
        word = PROVIDERS[engine.provider]
        # A GPU's provider leaves a few nodes (shapes) to the CPU's.
        wanted = list(dict.fromkeys([word, PROVIDERS["cpu"]]))
        try:
            self._session = ort.InferenceSession(source, options, providers=wanted)
        except Exception as error:  # the engine's own errors have no common base but Exception
            raise BundleError(
                f"{name}: the inference engine cannot load this graph: {error}; export it again"
            ) from None
        started = self._session.get_providers()
        if word not in started:  # the engine itself would go on with the CPU
            raise ConfigError(
                f"provider {engine.provider!r} did not start (libraries or device missing); "
                f"ONNX Runtime would go on with {', '.join(started)}: ask for that, or install "
                "what it needs"
            )
        self.inputs = [i.name for i in self._session.get_inputs()]
        self.outputs = [o.name for o in self._session.get_outputs()]

    def run(self, images: Array) -> dict[str, Array]:
        """Every output by name."""
        values = self._session.run(self.outputs, {"image": images})
        return dict(zip(self.outputs, values, strict=True))
