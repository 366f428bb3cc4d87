"""What is timed side by side: one contender in each file."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from importlib import import_module

from benchmarks.speed.contenders.contender import Contender, Setting

PEER, ANSWER = "torch grad-cam", "torch answer"
# Name -> module beside this one; what follows the name in a key is the module's to read.
_MODULES = {
    PEER: "torch_grad_cam",
    ANSWER: "torch_answer",
    "keras answer": "keras_answer",
    "onnxruntime plain": "onnxruntime_plain",
    "ulna": "ulna_arrays",
    "ulna files": "ulna_files",
    "floor": "floor",
}


def known_contenders(
    precisions: dict[str, list[str]], automatic: tuple[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Keys of those that can run here, and why the others cannot.

    precisions: of Ulna's engines, by engine. automatic: engine and precision that reads images.
    """
    keys = [PEER, ANSWER, "onnxruntime plain"]
    left_out = {}
    if importlib.util.find_spec("tensorflow") is None:
        left_out["keras answer"] = "TensorFlow is not installed"
    else:
        keys.append("keras answer")
    for engine, kinds in precisions.items():
        keys += [f"ulna:{engine}:{kind}" for kind in kinds]
    if "openvino" not in precisions:
        left_out["ulna:openvino"] = "OpenVINO is not installed"
    elif "bf16" not in precisions["openvino"]:
        left_out["ulna:openvino:bf16"] = "this CPU has no bf16"
    keys.append(":".join(["ulna files", *automatic]))
    left_out["ulna, int8 and cascade"] = (
        "random weights have neither an int8 graph that passed its gate nor a certain answer: "
        "they are measured on trained bundles"
    )
    floors = {k for kinds in precisions.values() for k in kinds}
    return [*keys, *(f"floor:{kind}" for kind in sorted(floors))], left_out


def build_contender(key: str, setting: Setting) -> Contender:
    """The contender of a key like 'ulna:openvino:fp32', loaded."""
    name, *details = key.split(":")
    module = import_module(f"benchmarks.speed.contenders.{_MODULES[name]}")
    build: Callable[..., Contender] = module.build
    return build(setting, *details)
