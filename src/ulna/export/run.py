"""`export_bundle`: from a run's recipe, split and weights to a bundle."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from ulna.bundle import (
    DEMONSTRATION_USE,
    TEACHER,
    DataFingerprint,
    Distilled,
    ExpertEntry,
    Manifest,
    ModelBundle,
    check_replaceable,
    uncalibrated_fusion,
    write_bundle,
)
from ulna.config.codec import read_json
from ulna.config.recipe import ExpertConfig, Recipe, Weights
from ulna.errors import ConfigError
from ulna.export.graph import expert_graph
from ulna.export.half import in_half
from ulna.export.parity import Parity, check_parity, parity_images
from ulna.json_text import parse_json
from ulna.models import Expert
from ulna.models.test_time_augmentation import TestTimeAugmentation, with_test_time_augmentation
from ulna.models.threads import limit_torch_threads
from ulna.models.trained import load_expert
from ulna.runtime.session import Session

Progress = Callable[[int, int], None]
_PACKAGES = ("ulna", "torch", "timm", "onnx", "onnxscript", "onnxruntime", "numpy")


def export_bundle(
    run: Path,
    out: Path,
    name: str = "",
    progress: Progress | None = None,
    weights: Weights | None = None,
) -> ModelBundle:
    """Export every expert of the trained `run` and write the uncalibrated bundle `out`.

    name: of the bundle, by default the recipe's. progress(done, all) after each expert. weights:
    how they are stored; None for float16 of a student's run and the recipe's setting otherwise. In
    float16 the files are half as large, and arithmetic stays in float32. Each graph is first
    compared with its torch module, in float16 with one of rounded weights. Raises ConfigError for a
    folder that is no run, WeightsError for weights that are missing or do not fit, BundleError for
    a graph that differs from torch and for an `out` that holds anything but a bundle.
    """
    check_replaceable(out)
    recipe = read_json(Recipe, run / "recipe.json")
    data = read_json(DataFingerprint, run / "data.json")
    split = _read_split(run / "split.json")
    distilled = _teacher_of(run, recipe)
    stored = weights or ("float16" if recipe.distillation.requested else recipe.weights)
    exported = _export_experts(run, recipe, stored, progress)
    manifest = Manifest(
        name=name or recipe.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        input_spec=recipe.input_spec,
        body_parts=recipe.body_parts,
        categories=recipe.categories,
        experts=tuple(e.entry for e in exported),
        fusion=uncalibrated_fusion(
            [e.entry.name for e in exported], recipe.body_parts, recipe.operating_point
        ),
        operating_point=recipe.operating_point,
        recipe=recipe,
        data=data,
        split=split,
        versions=_versions(),
        metrics=_metrics(exported, run),
        intended_use=_intended_use(data, distilled),
        distilled=distilled,
    )
    bundle = write_bundle(manifest, {e.entry.name: e.graph for e in exported}, out)
    if progress is not None:
        progress(len(exported), len(exported))
    return bundle


@dataclass(frozen=True)
class _Exported:
    graph: bytes
    entry: ExpertEntry
    parity: Parity


def _export_experts(
    run: Path, recipe: Recipe, weights: Weights, progress: Progress | None
) -> list[_Exported]:
    limit_torch_threads()
    exported = []
    for done, config in enumerate(recipe.experts):
        if progress is not None:
            progress(done, len(recipe.experts))
        expert = load_expert(run, recipe, config)
        augmented = with_test_time_augmentation(expert, config, recipe.input_spec.size)
        exported.append(_export_expert(augmented, config, recipe, weights))
    return exported


def _export_expert(
    expert: Expert | TestTimeAugmentation, config: ExpertConfig, recipe: Recipe, weights: Weights
) -> _Exported:
    graph = expert_graph(expert, recipe.input_spec)
    if weights == "float16":
        graph, expert = in_half(expert, graph)
    images = parity_images(recipe.input_spec)
    onnx = Session(graph).run(images)
    parity = check_parity(expert, images, onnx, config.name)
    biases = expert.bias_P.detach().double().tolist()
    finding_biases = expert.finding_bias_F.detach().double().tolist()
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
        weights=weights,
        finding_biases=dict(zip(recipe.categories, finding_biases, strict=True)),
    )
    return _Exported(graph, entry, parity)


def _metrics(exported: Sequence[_Exported], run: Path) -> dict[str, float]:
    """Return the errors of the acceptance test, by expert and largest, and the tune scores."""
    metrics = {
        "parity_max_error": max(e.parity.parity_error for e in exported),
        "completeness_max_error": max(e.parity.completeness_error for e in exported),
    }
    for expert in exported:
        name = expert.entry.name
        metrics[f"parity_error.{name}"] = expert.parity.parity_error
        metrics[f"completeness_error.{name}"] = expert.parity.completeness_error
        state = _json_object(run / "experts" / name / "state.json")
        history, kept = state.get("history"), state.get("kept_epoch")
        if isinstance(history, list) and isinstance(kept, int) and 0 <= kept < len(history):
            score = history[kept].get("tune_auroc")
            if isinstance(score, float) and math.isfinite(score):
                metrics[f"tune_auroc.{name}"] = score
    return metrics


def _teacher_of(run: Path, recipe: Recipe) -> Distilled | None:
    """Return the teacher of a student's run, else None."""
    return read_json(Distilled, run / TEACHER) if recipe.distillation.requested else None


def _intended_use(data: DataFingerprint, distilled: Distilled | None) -> str:
    """Return the intended use by the data; a student of a demonstration is a demonstration."""
    demonstration = distilled is not None and distilled.demonstration
    return DEMONSTRATION_USE if demonstration else data.intended_use


def _json_object(path: Path) -> dict[str, Any]:
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
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
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # run from a source tree
            versions[package] = "not installed"
    return versions
