"""The machine's matrix rate: the fastest large matrix product that any library here does."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from benchmarks.speed.contenders.contender import Answer, Setting

from ulna.no_telemetry import no_telemetry
from ulna.runtime.session.choice import openvino_installed
from ulna.types import Array

SIDE = 1536
# Products in one timed run, so that a run lasts long enough to be timed.
REPEATS = 4
_TRIALS = 3
Product = Callable[[], object]


class Floor:
    steps = ("matmul",)

    def __init__(self, setting: Setting, precision: str) -> None:
        result = products(precision, setting.threads)
        best = {name: _best_seconds(product) for name, product in result.items()}
        fastest = min(best, key=lambda n: best[n])
        self._product = result[fastest]
        self.flops = float(2 * SIDE**3 * REPEATS)
        rates = ", ".join(f"{n} {2 * SIDE**3 / s / 1e9:.0f}" for n, s in best.items())
        self.note = f"{fastest}, {SIDE} x {SIDE} (GFLOP/s at the start: {rates})"

    def take(self, images: Array) -> None:
        """The product is the same for all."""

    def run(self, step: str) -> None:
        for _ in range(REPEATS):
            self._product()

    def answers(self) -> dict[str, Answer]:
        return {}


def _best_seconds(product: Product) -> float:
    product()
    seconds = []
    for _ in range(_TRIALS):
        start = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def products(precision: str, threads: int) -> dict[str, Product]:
    """The same product by every library that has the precision, by its name."""
    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(SIDE, SIDE)).astype(np.float32) for _ in "ab")
    result: dict[str, Product] = {}
    if openvino_installed():
        result["OpenVINO"] = _OpenVinoProduct(a, b, precision, threads)
    if precision == "fp32":
        result["NumPy"] = lambda: a @ b
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    ta, tb = torch.from_numpy(a).to(kind), torch.from_numpy(b).to(kind)
    result["torch"] = lambda: ta @ tb
    return result


class _OpenVinoProduct:
    """Holds all that the request needs: it keeps neither its plugin nor its arrays alive."""

    def __init__(self, a: Array, b: Array, precision: str, threads: int) -> None:
        with no_telemetry():
            import openvino
            from openvino import opset13 as ops

        given = ops.parameter([SIDE, SIDE], np.float32)
        product = ops.matmul(given, ops.constant(b), False, False)
        kind = {"fp32": "f32", "bf16": "bf16"}[precision]
        settings = {"INFERENCE_PRECISION_HINT": kind, "INFERENCE_NUM_THREADS": threads}
        self._core, self._arrays = openvino.Core(), (a, b)
        model = openvino.Model([product], [given])
        self._compiled = self._core.compile_model(model, "CPU", settings)
        self._request = self._compiled.create_infer_request()
        self._request.get_input_tensor().data[:] = a

    def __call__(self) -> Array:
        """The product, without a copy: what the next call overwrites."""
        self._request.infer()
        return np.asarray(self._request.get_output_tensor().data)


def build(setting: Setting, precision: str) -> Floor:
    return Floor(setting, precision)
