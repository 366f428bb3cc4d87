"""int8 graphs are accepted if, and only if, they answer as the fp32 graphs do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.evaluation.synthetic_studies import write_studies

from ulna.bundle import (
    CascadeCheck,
    CascadeParameters,
    CascadeStage,
    FeatureStatistics,
    ModelBundle,
    OodDetector,
    OutOfDistributionEntry,
    read_bundle,
    replace_fusion,
)
from ulna.bundle.quantisation import Quantisation
from ulna.compress.quantise import QuantisePlan, quantise_bundle
from ulna.compress.quantise.images import draw_images
from ulna.compress.quantise.layers import order_layers
from ulna.config.engine import EngineSettings
from ulna.errors import BundleError, ConfigError, DatasetError
from ulna.runtime import Predictor
from ulna.runtime.session import Session
from ulna.runtime.session.quantiser import GraphQuantiser
from ulna.types import Study

PLAN = QuantisePlan(images=12, chosen_by=8, engine=EngineSettings(threads=1))
FIGURES = Quantisation(
    "a method", 12, {"cnn": 3}, {"cnn": 1}, "onnxruntime:fp32", 100, {"0.50": 0.0}, 0.99,
    (0.90, 0.903), (0.5, 0.497),
)  # fmt: skip


def silent(what: str, done: int, n: int) -> None:
    pass


@pytest.fixture
def studies(tmp_path: Path) -> list[Study]:
    return write_studies(tmp_path, 30)


def test_the_gate_is_exact() -> None:
    assert FIGURES.accepted
    for other, message in (
        (replace(FIGURES, within=0.9899), "within 0.02 on 99.0% of studies"),
        (replace(FIGURES, auroc=(0.90, 0.9031)), "AUROC 0.9000 became 0.9031"),
        (replace(FIGURES, pointing=(0.5, 0.4969)), "pointing game 0.5000 became 0.4969"),
        (replace(FIGURES, pointing=(0.5, float("nan"))), "pointing game"),
    ):
        assert len(other.refusals) == 1 and message in other.refusals[0] and not other.accepted
    assert replace(FIGURES, auroc=None, pointing=None).accepted


def test_accepted_bundle_is_the_same_but_for_its_graphs(
    blob_bundle: ModelBundle, studies: list[Study], tmp_path: Path
) -> None:
    out = tmp_path / "int8"
    written, result = quantise_bundle(blob_bundle.path, studies[:6], studies, out, PLAN, silent)
    assert written is not None and result.accepted, result.refusals
    again = read_bundle(out)
    assert again == written and again.hash != blob_bundle.hash
    assert again.manifest.quantisation == result
    assert again.manifest.fusion == blob_bundle.manifest.fusion
    assert result.n_studies == 30 and result.n_images == 12 and min(result.layers.values()) >= 1
    fp32 = Predictor.load(blob_bundle.path)
    int8 = Predictor.load(out, EngineSettings(precision="int8", threads=1))
    gaps = [abs(fp32.predict(s).probability - int8.predict(s).probability) for s in studies]
    assert result.change["1.00"] == pytest.approx(max(gaps), abs=1e-6)
    assert max(gaps) > 0
    for expert in again.manifest.experts:
        ops = {n.op_type for n in onnx.load(str(again.graph_path(expert))).graph.node}
        assert "QuantizeLinear" in ops
    with pytest.raises(BundleError, match="is int8 already"):
        quantise_bundle(out, studies[:6], studies, tmp_path / "twice", PLAN, silent)


def with_all_that_calibration_knows(bundle: ModelBundle) -> ModelBundle:
    manifest = bundle.manifest
    names, parts = [e.name for e in manifest.experts], manifest.body_parts
    thresholds = manifest.fusion.thresholds
    stage = CascadeStage(
        (names[0],), dict.fromkeys(parts, 1.0), dict.fromkeys(parts, 0.0),
        {o: dict.fromkeys(parts, 0.0) for o in thresholds},
        {o: dict.fromkeys(parts, 1.0) for o in thresholds},
    )  # fmt: skip
    checks = dict.fromkeys(thresholds, CascadeCheck(300, 0, 0, 0.008, 1.0))
    cascade = CascadeParameters((stage,), dict.fromkeys(names, 1.0), 0.01, 0.9, checks)
    statistics = FeatureStatistics(np.zeros(3), np.ones(3), np.eye(3)[:1], np.ones(1), 1.0)
    entry = OutOfDistributionEntry("set later", "", {names[0]: 9.0}, 0.5, {names[0]: 40}, 0.05)
    out_of_distribution = OodDetector(entry, {names[0]: statistics})
    return replace_fusion(
        bundle, manifest.fusion, {"calibration.n": 1.0}, out_of_distribution, cascade
    )


def test_all_that_calibration_knows_is_carried_over(
    blob_bundle: ModelBundle, studies: list[Study], tmp_path: Path
) -> None:
    before = with_all_that_calibration_knows(blob_bundle).manifest
    written, _ = quantise_bundle(
        blob_bundle.path, studies[:6], studies, tmp_path / "o", PLAN, silent
    )
    assert written is not None
    after = read_bundle(written.path).manifest
    assert before.cascade is not None and before.out_of_distribution is not None
    for name in (
        "fusion",
        "cascade",
        "out_of_distribution",
        "metrics",
        "body_parts",
        "recipe",
        "data",
    ):
        assert getattr(after, name) == getattr(before, name), name


def test_a_folder_that_must_stay_is_an_error_before_any_work(
    blob_bundle: ModelBundle, studies: list[Study], tmp_path: Path
) -> None:
    before = with_all_that_calibration_knows(blob_bundle)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "notes.txt").write_text("mine")
    for out, message in (
        (tmp_path / "precious", r"notes\.txt.*no part of a bundle"),
        (blob_bundle.path / ".." / blob_bundle.path.name, "is the fp32 bundle itself"),
    ):
        with pytest.raises(BundleError, match=message):
            quantise_bundle(blob_bundle.path, [], studies, out, PLAN, silent)
    assert read_bundle(blob_bundle.path) == before


def test_other_answers_are_refused_and_nothing_is_written(
    blob_bundle: ModelBundle,
    studies: list[Study],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Simulate an int8 that rounds the weights to multiples of one half."""

    def halved(self: GraphQuantiser, layers: object) -> bytes:
        model = onnx.ModelProto.FromString(self._model.SerializeToString())
        weights = {n.input[1] for n in model.graph.node if n.op_type == "Conv"}
        for tensor in model.graph.initializer:
            if tensor.name in weights:
                values = onnx.numpy_helper.to_array(tensor) * np.float32(0.5)
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        return bytes(model.SerializeToString())

    monkeypatch.setattr(GraphQuantiser, "quantised", halved)
    out = tmp_path / "int8"
    written, result = quantise_bundle(blob_bundle.path, studies[:6], studies, out, PLAN, silent)
    assert written is None and not out.exists()
    assert result.within < 0.99 and "probability within 0.02" in result.refusals[0]


def test_too_few_studies_or_images_are_an_error(
    blob_bundle: ModelBundle, studies: list[Study], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="5 held-out studies .* at least 20"):
        quantise_bundle(blob_bundle.path, studies[:6], studies[:5], tmp_path / "o", PLAN, silent)
    with pytest.raises(DatasetError, match="0 training studies, none with a readable image"):
        quantise_bundle(blob_bundle.path, [], studies, tmp_path / "o", PLAN, silent)


def test_layers_are_ordered_by_sensitivity_per_multiplication(
    blob_bundle: ModelBundle, studies: list[Study]
) -> None:
    expert = blob_bundle.manifest.experts[0]
    graph = blob_bundle.graph_path(expert)
    images = draw_images(studies, 8, blob_bundle.manifest.input_spec, 0)
    quantiser = GraphQuantiser(graph, images.pixels)
    order = order_layers(quantiser, graph, images.pixels, PLAN.engine, lambda d, n: None)
    assert sorted(order) == sorted(quantiser.layers)

    def logits(graph: Path | bytes) -> np.ndarray:
        outputs = Session(graph, PLAN.engine).run(images.pixels)
        return np.stack([o.abnormal for o in outputs])

    before = logits(graph)
    assert min(quantiser.costs.values()) > 1
    price = [
        np.mean((logits(quantiser.quantised([n])) - before) ** 2) / quantiser.costs[n]
        for n in order
    ]
    assert price == sorted(price, reverse=True) and price[0] > 0
    np.testing.assert_array_equal(logits(quantiser.quantised([])), before)


def test_int8_is_not_requested_of_fp32_graphs(blob_bundle: ModelBundle) -> None:
    with pytest.raises(ConfigError, match="ulna quantise"):
        Predictor.load(blob_bundle.path, EngineSettings(precision="int8"))


def test_layers_stay_in_fp32_where_requested(
    blob_bundle: ModelBundle, studies: list[Study], tmp_path: Path
) -> None:
    plan = replace(PLAN, left=0.5)
    _, result = quantise_bundle(blob_bundle.path, studies[:6], studies[:20], tmp_path / "o", plan,
                               silent)  # fmt: skip
    for expert, n in result.layers.items():
        assert n >= 1 and result.left[expert] >= (n + result.left[expert]) // 2
