"""ONNX Runtime as its first example shows it, on the bundle's graphs; only the threads are set."""

from __future__ import annotations

from benchmarks.speed.contenders.contender import Answer, Setting
from benchmarks.speed.inputs import PART

from ulna.bundle import read_bundle
from ulna.no_telemetry import no_telemetry
from ulna.types import Array

with no_telemetry():
    import onnxruntime as ort


class OnnxRuntimePlain:
    flops, note = 0.0, "default options, all outputs"

    def __init__(self, setting: Setting) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = setting.threads
        bundle = read_bundle(setting.bundle)
        self._sessions = {
            e.name: ort.InferenceSession(
                bundle.graph_path(e), options, providers=["CPUExecutionProvider"]
            )
            for e in bundle.manifest.experts
        }
        self.steps = tuple(self._sessions)
        self._result: dict[str, list[Array]] = {}

    def take(self, images: Array) -> None:
        self._images = images

    def run(self, step: str) -> None:
        self._result[step] = self._sessions[step].run(None, {"image": self._images})

    def answers(self) -> dict[str, Answer]:
        answers = {}
        for name, values in self._result.items():
            outputs = [o.name for o in self._sessions[name].get_outputs()]
            result = dict(zip(outputs, values, strict=True))
            answers[name] = Answer(result["abnormal"], result["cam"][:, PART])
        return answers


def build(setting: Setting) -> OnnxRuntimePlain:
    return OnnxRuntimePlain(setting)
