"""`export_bundle`: a run's recipe, split and weights become a bundle."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from ulna.bundle import (
    DataFingerprint,
    ExpertEntry,
    Manifest,
    ModelBundle,
    uncalibrated_fusion,
    write_bundle,
)
from ulna.config.codec import read_json
from ulna.config.recipe import ExpertConfig, Recipe
from ulna.errors import ConfigError, WeightsError
from ulna.export.graph import expert_graph
from ulna.export.parity import Parity, check_parity, parity_images
from ulna.models import Expert, build_expert
from ulna.runtime.session import Session

Progress = Callable[[int, int], None]
_PACKAGES = ("ulna", "torch", "timm", "onnx", "onnxscript", "onnxruntime", "numpy")


def export_bundle(
    run: Path, out: Path, name: str = "", progress: Progress | None = None
) -> ModelBundle:
    """Export every expert of the trained `run` and write the bundle `out`, not yet calibrated.

    name: of the bundle, else the recipe's. progress(done, all) after each expert. Each graph
    is compared with its torch module first. Raises ConfigError for a folder that is no run,
    WeightsError for weights that are missing or do not fit, BundleError for a graph that
    does not answer like torch.
    """
    recipe = read_json(Recipe, run / "recipe.json")
    data = read_json(DataFingerprint, run / "data.json")
    split = _read_split(run / "split.json")
    graphs: dict[str, Path | bytes] = {}
    entries: list[ExpertEntry] = []
    metrics: dict[str, float] = {}
    for done, config in enumerate(recipe.experts):
        if progress is not None:
            progress(done, len(recipe.experts))
        expert = load_expert(run, recipe, config)
        graph, entry, parity = _export_expert(expert, config, recipe)
        graphs[config.name] = graph
        entries.append(entry)
        metrics |= _metrics(parity, config.name, run, metrics)
    manifest = Manifest(
        name=name or recipe.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        input_spec=recipe.input_spec,
        body_parts=recipe.body_parts,
        categories=recipe.categories,
        experts=tuple(entries),
        fusion=uncalibrated_fusion(graphs, recipe.body_parts, recipe.operating_point),
        operating_point=recipe.operating_point,
        recipe=recipe,
        data=data,
        split=split,
        versions=_versions(),
        metrics=metrics,
    )
    bundle = write_bundle(manifest, graphs, out)
    if progress is not None:
        progress(len(entries), len(entries))
    return bundle


def load_expert(run: Path, recipe: Recipe, config: ExpertConfig) -> Expert:
    """The trained expert of a run, in evaluation mode on the CPU.

    Every weight must be there and fit; raises WeightsError otherwise.
    """
    path = run / "experts" / config.name / "weights.safetensors"
    if not path.is_file():
        raise WeightsError(
            f"{path}: no such file: expected the weights of expert {config.name!r}; "
            "train the run to its end (the same `ulna train` goes on where it stopped)"
        )
    expert = build_expert(config, recipe.body_parts, recipe.categories, recipe.input_spec)
    try:
        expert.load_state_dict(load_file(path), strict=True)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: damaged or no safetensors file: {error}") from None
    except RuntimeError as error:
        raise WeightsError(
            f"{path}: does not fit expert {config.name!r} of {run / 'recipe.json'}: {error}"
        ) from None
    return expert.eval()


def _export_expert(
    expert: Expert, config: ExpertConfig, recipe: Recipe
) -> tuple[bytes, ExpertEntry, Parity]:
    graph = expert_graph(expert, recipe.input_spec)
    images = parity_images(recipe.input_spec)
    onnx = Session(graph).run(images)
    parity = check_parity(expert, images, onnx, config.name)
    biases = expert.bias_P.detach().double().tolist()
    height, width = onnx[0].cam.shape[1:]
    entry = ExpertEntry(
        name=config.name,
        encoder=config.encoder,
        neck=config.neck,
        graph=f"{config.name}.onnx",
        sha256="",
        biases=dict(zip(recipe.body_parts, biases, strict=True)),
        grid=(height, width),
        initial=config.initial,
        parameters=sum(p.numel() for p in expert.parameters()),
    )
    return graph, entry, parity


def _metrics(parity: Parity, name: str, run: Path, before: dict[str, float]) -> dict[str, float]:
    """Figures of one expert, and the largest errors over this one and those `before`."""
    found = {
        f"parity_error.{name}": parity.parity_error,
        f"completeness_error.{name}": parity.completeness_error,
        "parity_max_error": max(before.get("parity_max_error", 0.0), parity.parity_error),
        "completeness_max_error": max(
            before.get("completeness_max_error", 0.0), parity.completeness_error
        ),
    }
    state = _json_object(run / "experts" / name / "state.json")
    history, kept = state.get("history"), state.get("kept_epoch")
    if isinstance(history, list) and isinstance(kept, int) and 0 <= kept < len(history):
        score = history[kept].get("tune_auroc")
        if isinstance(score, float) and math.isfinite(score):
            found[f"tune_auroc.{name}"] = score
    return found


def _json_object(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file: expected the folder of `ulna train`") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not readable as JSON: {error}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected an object, got {type(data).__name__}")
    return data


def _read_split(path: Path) -> dict[str, int]:
    data = _json_object(path)
    if not all(isinstance(keys, list) for keys in data.values()):
        raise ConfigError(f"{path}: expected lists of study keys by part of the split")
    return {str(part): len(keys) for part, keys in data.items()}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # run from a source tree
            found[package] = "not installed"
    return found
