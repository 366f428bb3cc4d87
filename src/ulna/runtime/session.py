"""The only place of the inference engine: an expert's ONNX graph, run on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from ulna.errors import BundleError, ConfigError
from ulna.runtime.fusion import ExpertOutput
from ulna.types import Array

# Bounds the memory of a study with very many views; a VGG19 takes 0.1 GB per image at 224 px.
MAX_BATCH = 16
_ERRORS_ONLY = 3


class Session:
    """One graph: input "image" (B, 1, S, S), outputs "abnormal", "body_part", "finding", "cam".

    Graphs of earlier versions have no output "features": theirs are empty.
    """

    def __init__(self, graph: Path | bytes, threads: int = 0) -> None:
        if threads < 0:
            raise ConfigError(f"{threads} threads: expected a positive number, or 0 for all cores")
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # Experts run one after another: threads that wait must not burn the next one's cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        name = f"{len(graph)} bytes" if isinstance(graph, bytes) else str(graph)
        source = graph if isinstance(graph, bytes) else str(graph)
        try:
            self._session = ort.InferenceSession(
                source, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the engine's own errors have no common base but Exception
            raise BundleError(
                f"{name}: the inference engine cannot load this graph: {error}; export it again"
            ) from None
        self._outputs = [o.name for o in self._session.get_outputs()]
        missing = {"abnormal", "body_part", "cam"} - set(self._outputs)
        if [i.name for i in self._session.get_inputs()] != ["image"] or missing:
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
        values = self._session.run(self._outputs, {"image": np.ascontiguousarray(images)})
        found: dict[str, npt.NDArray[np.float32]] = dict(zip(self._outputs, values, strict=True))
        nothing = np.zeros((len(images), 0), np.float32)
        last = [found.get(name, nothing) for name in ("finding", "features")]
        return [
            ExpertOutput(
                found["abnormal"][i], found["body_part"][i], last[0][i], found["cam"][i], last[1][i]
            )
            for i in range(len(images))
        ]
