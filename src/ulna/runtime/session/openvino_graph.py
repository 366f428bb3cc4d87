"""OpenVINO, the fast engine on CPUs with bf16 or int8 units."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np

from ulna.config.engine import EngineSettings
from ulna.errors import BundleError, ConfigError
from ulna.machine import arithmetic_threads
from ulna.no_telemetry import no_telemetry
from ulna.types import Array

with no_telemetry():
    import openvino as ov

_HINTS = {"fp32": "f32", "bf16": "bf16"}


@cache
def _core() -> ov.Core:
    """One core for the process, since it loads the plugins."""
    return ov.Core()


def capabilities() -> tuple[str, ...]:
    """Return the capabilities of this CPU as OpenVINO names them: FP32, BF16, INT8, ..."""
    return tuple(_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def _check_precision(compiled: ov.CompiledModel, requested: str) -> None:
    """Raise ConfigError if OpenVINO would compute in another precision than requested."""
    actual = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if actual != _HINTS[requested]:
        raise ConfigError(
            f"precision {requested!r}: OpenVINO would compute in {actual} on this CPU: expected a "
            "CPU with it; take 'openvino:fp32' here"
        )


class OpenVinoGraph:
    """A graph in OpenVINO, compiled for batches of any size. Raises BundleError, ConfigError.

    Compiling for a fixed batch size is not faster (docs/engines.md).
    """

    def __init__(self, graph: Path | bytes, engine: EngineSettings, name: str) -> None:
        settings: dict[str, str | int] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _HINTS[engine.precision],
            "INFERENCE_NUM_THREADS": engine.threads or arithmetic_threads(),
        }
        source = graph if isinstance(graph, bytes) else str(graph)
        try:
            model = _core().read_model(source)
            compiled = _core().compile_model(model, "CPU", settings)
        except Exception as error:  # the engine's own errors have no common base but Exception
            message = str(error).strip().splitlines()
            other = "" if engine.precision == "fp32" else ", or take 'openvino:fp32'"
            raise BundleError(
                f"{name}: the inference engine cannot load this graph: "
                f"{message[-1] if message else 'it does not say why'}; export it again{other}"
            ) from None
        _check_precision(compiled, engine.precision)
        self.inputs = [i.any_name for i in compiled.inputs]
        self.outputs = [o.any_name for o in compiled.outputs]
        self._request = compiled.create_infer_request()
        # A request has its own tensors, so threads must take turns.
        self._lock = Lock()

    def run(self, images: Array) -> dict[str, Array]:
        """Return every output for `images` (B, 1, S, S), by name."""
        with self._lock:
            outputs = self._request.infer({"image": images})
        return {name: np.asarray(outputs[name], np.float32) for name in self.outputs}
