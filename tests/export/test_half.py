"""Weights in half precision: half the file, the answers of a module whose weights were rounded."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper
from tests.export.tiny_run import lively_expert, tiny_recipe, write_tiny_run

from ulna.attribution.examination.randomised import randomised_graph
from ulna.bundle import TEACHER, Distilled, read_bundle
from ulna.bundle.distilled import MOST_BYTES
from ulna.calibration.graph_cost import multiply_adds
from ulna.config.codec import write_json
from ulna.config.distillation import Distillation
from ulna.config.engine import EngineSettings
from ulna.config.recipe import ExpertConfig
from ulna.export import export_bundle
from ulna.export.graph import expert_graph
from ulna.export.half import in_half
from ulna.export.parity import check_parity, parity_images
from ulna.models import Expert, build_expert
from ulna.recipes import find_recipe
from ulna.runtime.session import Session
from ulna.runtime.session.half import in_single, rounded
from ulna.runtime.session.quantiser import GraphQuantiser
from ulna.types import Array

ENGINES = ["onnxruntime"] + (["openvino:fp32"] if find_spec("openvino") else [])
RECIPE = tiny_recipe([ExpertConfig("cnn", "cnn", neck="attention")])


@pytest.fixture(scope="module")
def both() -> tuple[bytes, bytes, Expert]:
    """The graph of a lively expert in single and in half precision, and the rounded module."""
    torch.set_num_threads(1)
    expert = lively_expert(RECIPE.experts[0], RECIPE)
    graph = expert_graph(expert, RECIPE.input_spec)
    half, module = in_half(expert, graph)
    assert isinstance(module, Expert)
    return graph, half, module


def _answers(graph: bytes, engine: str = "onnxruntime") -> Array:
    outputs = Session(graph, EngineSettings.parse(engine)).run(parity_images(RECIPE.input_spec))
    return np.concatenate([np.concatenate([o.abnormal, o.cam.ravel()]) for o in outputs])


def test_half_the_bytes(both: tuple[bytes, bytes, Expert]) -> None:
    graph, half, _ = both
    assert len(half) < 0.56 * len(graph)
    kept = [
        i
        for i in onnx.load_from_string(half).graph.initializer
        if i.data_type == TensorProto.FLOAT and np.prod(i.dims) > 1000
    ]
    assert not kept


@pytest.mark.parametrize("engine", ENGINES)
def test_it_answers_as_the_rounded_module(both: tuple[bytes, bytes, Expert], engine: str) -> None:
    graph, half, module = both
    images = parity_images(RECIPE.input_spec)
    result = Session(half, EngineSettings.parse(engine)).run(images)
    assert check_parity(module, images, result, "cnn").parity_error < 1e-5
    # Rounding is seen, and small.
    moved = np.abs(_answers(graph, engine) - _answers(half, engine)).max()
    assert 1e-7 < moved < 0.05 * np.abs(_answers(graph, engine)).max()


def test_no_arithmetic_is_in_half(both: tuple[bytes, bytes, Expert]) -> None:
    """The same bits as with the rounded weights in a graph of single precision."""
    _, half, _ = both
    model = onnx.load_from_string(half)
    single = in_single(model)
    assert [i for i in model.graph.initializer if i.data_type == TensorProto.FLOAT16]
    assert not [i for i in single.graph.initializer if i.data_type == TensorProto.FLOAT16]
    assert not [n for n in single.graph.node if n.op_type == "Cast"]
    np.testing.assert_array_equal(_answers(half), _answers(single.SerializeToString()))
    assert in_single(single) is single


def test_rounding_is_to_the_nearest_and_within_the_range() -> None:
    values = np.array([0.1, -1e6, 70_000, 1e-9, 3.14159], np.float32)
    np.testing.assert_array_equal(
        rounded(values), np.float32([np.float16(0.1), -65504, 65504, 0, np.float16(3.14159)])
    )


def test_who_reads_weights_reads_these_too(
    both: tuple[bytes, bytes, Expert], tmp_path: Path
) -> None:
    graph, half, _ = both
    assert multiply_adds(half) == multiply_adds(graph)
    file = tmp_path / "half.onnx"
    file.write_bytes(half)
    mixed = _answers(randomised_graph(file, 1.0, 0))
    assert np.abs(mixed - _answers(half)).max() > 0.01
    quantiser = GraphQuantiser(file, parity_images(RECIPE.input_spec))
    plain = tmp_path / "plain.onnx"
    plain.write_bytes(graph)
    assert quantiser.costs == GraphQuantiser(plain, parity_images(RECIPE.input_spec)).costs
    int8 = _answers(quantiser.quantised(quantiser.layers))
    assert np.corrcoef(int8, _answers(half))[0, 1] > 0.99


@pytest.mark.slow
def test_a_student_is_stored_in_half_and_no_other(tmp_path: Path) -> None:
    """Any other run is on request; tests/export/test_run.py has those that are not."""
    write_tiny_run(tmp_path / "plain", RECIPE)
    taught = replace(RECIPE, distillation=Distillation(logits=1))
    write_tiny_run(tmp_path / "student", taught)
    whose = Distilled("0" * 64, "teacher", "onnxruntime:fp32", demonstration=True)
    write_json(whose, tmp_path / "student" / TEACHER)
    for run, weights in (("student", None), ("plain", "float16")):
        bundle = export_bundle(tmp_path / run, tmp_path / "out", weights=weights)  # type: ignore[arg-type]
        (entry,) = read_bundle(tmp_path / "out").manifest.experts
        assert entry.weights == "float16"
        assert bundle.graph_path(entry).stat().st_size < 0.56 * 4 * entry.parameters
        assert bundle.manifest.distilled == (whose if run == "student" else None)
        assert bundle.manifest.demonstration  # by its data, or by its teacher's


# The domain's file: 128 axes of the features in single precision; and a manifest.
BESIDE = 4 * 1280 * (128 + 2) + 200_000


def test_the_student_of_the_recipe_has_few_enough_weights() -> None:
    recipe = find_recipe("student")
    expert = build_expert(
        recipe.experts[0], recipe.body_parts, recipe.categories, RECIPE.input_spec
    )
    assert 2 * sum(p.numel() for p in expert.parameters()) + BESIDE < MOST_BYTES


@pytest.mark.long
def test_the_student_of_the_recipe_stays_below_the_limit() -> None:
    """EfficientNet-Lite0 with all heads: the file itself, nearly all of it in half precision."""
    torch.set_num_threads(1)
    recipe = find_recipe("student")
    expert = lively_expert(recipe.experts[0], replace(recipe, input_spec=RECIPE.input_spec))
    graph, _ = in_half(expert, expert_graph(expert, RECIPE.input_spec))
    assert expert.encoder.num_features == 1280
    assert len(graph) + BESIDE < MOST_BYTES
    weights = sum(p.numel() for p in expert.parameters())
    stored = [
        numpy_helper.to_array(i)
        for i in onnx.load_from_string(graph).graph.initializer
        if i.data_type == TensorProto.FLOAT16
    ]
    assert sum(a.size for a in stored) > 0.98 * weights
