"""Random weights of the real architectures, as a bundle; the same graphs without a map."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import torch
from benchmarks.speed.inputs import ENCODERS, PARTS
from onnx import helper, numpy_helper
from safetensors.torch import load_file, save_file
from torch import nn

from ulna.bundle import DataFingerprint
from ulna.config.codec import to_json, write_json
from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, Recipe
from ulna.export import export_bundle
from ulna.models import Expert, build_expert

_PACKAGES = ("torch", "timm", "onnx", "onnxscript", "numpy")


def random_bundle(place: Path, size: int, seed: int, encoders: tuple[str, ...] = ENCODERS) -> Path:
    """The folder with run/, bundle/ and answer/NAME.onnx for inputs of size x size px.

    Made once for the same settings and versions, then used again.
    """
    recipe = _recipe(encoders, size, seed)
    key = {"recipe": to_json(recipe), "versions": {p: metadata.version(p) for p in _PACKAGES}}
    folder = place / f"{'-'.join(encoders)}-{size}"
    done = folder / "made-of.json"
    if done.is_file() and json.loads(done.read_text(encoding="utf-8")) == key:
        return folder
    done.unlink(missing_ok=True)
    _write_run(folder / "run", recipe, seed)
    bundle = export_bundle(folder / "run", folder / "bundle")
    (folder / "answer").mkdir(exist_ok=True)
    for entry in bundle.manifest.experts:
        graph = answer_only(bundle.graph_path(entry), _weights(folder / "run", entry.name))
        (folder / "answer" / entry.graph).write_bytes(graph)
    write_json(key, done)
    return folder


def _recipe(encoders: tuple[str, ...], size: int, seed: int) -> Recipe:
    experts = tuple(ExpertConfig(name=e, encoder=e) for e in encoders)
    return Recipe("speed", experts, PARTS, input_spec=InputSpec(size=size), seed=seed)


def _weights(run: Path, name: str) -> Path:
    return run / "experts" / name / "weights.safetensors"


def _write_run(run: Path, recipe: Recipe, seed: int) -> None:
    """A run folder as training leaves it."""
    run.mkdir(parents=True, exist_ok=True)
    write_json(recipe, run / "recipe.json")
    write_json({"train": [], "tune": [], "calibration": []}, run / "split.json")
    write_json(DataFingerprint("phantom", "random weights", 0, 0, ""), run / "data.json")
    for number, config in enumerate(recipe.experts):
        torch.manual_seed(seed + number)
        expert = build_expert(config, recipe.body_parts, recipe.categories, recipe.input_spec)
        _enliven(expert, recipe.input_spec.size)
        path = _weights(run, config.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(expert.state_dict(), path)
        write_json({"done": True, "history": []}, path.parent / "state.json")


def _enliven(expert: Expert, size: int) -> None:
    """Statistics of its own for every normalisation, and logits of order 1, as if trained."""
    with torch.no_grad():
        expert.train()
        expert(torch.randn(4, 1, size, size))
        expert.eval()
        pooled_BC = expert.encoder(torch.randn(2, 1, size, size)).mean(dim=(2, 3))
        scale = 1 / pooled_BC.norm(dim=1).mean().clamp_min(1e-12)
        for head in (expert.abnormal, expert.body_part, expert.finding):
            if isinstance(head, nn.Linear):
                head.weight.normal_(0, 1).mul_(scale)
                head.bias.normal_(0, 1)


def answer_only(graph: Path, weights: Path) -> bytes:
    """The same network without a map: pooled features, then the linear heads.

    The exported graph makes its logit from the map, so that leaving the output "cam" unasked
    for saves nothing; this graph is what would be served if there were no map at all.
    """
    model = onnx.load(graph)
    only = onnx.utils.Extractor(model).extract_model(["image"], ["features", "body_part"])
    heads = load_file(weights)
    for kind in ("weight", "bias"):
        values = np.asarray(heads[f"abnormal.{kind}"])
        only.graph.initializer.append(numpy_helper.from_array(values, f"pooled_{kind}"))
    inputs = ["features", "pooled_weight", "pooled_bias"]
    only.graph.node.append(helper.make_node("Gemm", inputs, ["abnormal"], transB=1))
    abnormal = next(o for o in model.graph.output if o.name == "abnormal")
    body_part = next(o for o in model.graph.output if o.name == "body_part")
    del only.graph.output[:]
    only.graph.output.extend([abnormal, body_part])
    onnx.checker.check_model(only)
    serialised: bytes = only.SerializeToString(deterministic=True)
    return serialised
