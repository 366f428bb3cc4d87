"""The parts of an examination: baselines, shuffled weights, deletion and insertion, the verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ulna.attribution.examination.baselines import edge_map, random_map
from ulna.attribution.examination.measures import ImageMeasures
from ulna.attribution.examination.perturb import SHARES, deletion_and_insertion
from ulna.attribution.examination.randomised import randomised_graph
from ulna.attribution.examination.verdict import judge
from ulna.bundle import MapTest
from ulna.errors import BundleError
from ulna.evaluation.scores import Resampling
from ulna.imaging.geometry import Placement
from ulna.no_telemetry import no_telemetry
from ulna.types import Radiograph

with no_telemetry():
    import onnxruntime

PLACEMENT = Placement.fit((90, 60), 64)


def test_edges_lie_where_the_image_changes_and_noise_is_seeded() -> None:
    image = np.zeros((90, 60), np.float32)
    image[:, 30:] = 1
    edges = edge_map(image, PLACEMENT, (16, 16))
    assert edges.shape == image.shape
    middle = edges[20:70, 24:36].mean()
    assert middle > 10 * edges[20:70, 4:18].mean()
    noise = [random_map(PLACEMENT, (16, 16), np.random.default_rng(s)) for s in (1, 1, 2)]
    assert (noise[0] == noise[1]).all() and (noise[0] != noise[2]).any()


def _two_layers(path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    weights = {n: rng.normal(size=(4, c, 3, 3)).astype(np.float32) for n, c in (("a", 1), ("b", 4))}
    tensors = [numpy_helper.from_array(v, k) for k, v in weights.items()]
    tensors.append(numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "factors"))
    nodes = [
        helper.make_node("Conv", ["image", "a"], ["x"], pads=[1] * 4),
        helper.make_node("Resize", ["x", "", "factors"], ["y"]),
        helper.make_node("Conv", ["y", "b"], ["out"], pads=[1] * 4),
    ]
    ends = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
        for n, s in (("image", [1, 1, 8, 8]), ("out", [1, 4, 16, 16]))
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    return path, weights


def _weights(graph: bytes) -> dict[str, np.ndarray]:
    model = onnx.load_from_string(graph)
    return {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}


def test_weights_are_shuffled_from_the_output_down_and_keep_their_values(tmp_path: Path) -> None:
    path, weights = _two_layers(tmp_path / "g.onnx")
    image = {"image": np.random.default_rng(1).normal(size=(1, 1, 8, 8)).astype(np.float32)}
    answers = []
    for share, changed in ((0.0, set()), (0.5, {"b"}), (1.0, {"a", "b"})):
        graph = randomised_graph(path, share, 3)
        result = _weights(graph)
        for name, own in weights.items():
            assert (result[name] != own).any() == (name in changed)
            np.testing.assert_array_equal(np.sort(result[name].ravel()), np.sort(own.ravel()))
        np.testing.assert_array_equal(result["factors"], [1, 1, 2, 2])
        answers.append(onnxruntime.InferenceSession(graph).run(None, image)[0])
    assert randomised_graph(path, 1.0, 3) == randomised_graph(path, 1.0, 3)
    correlation = np.corrcoef(answers[0].ravel(), answers[2].ravel())[0, 1]
    assert abs(correlation) < 0.9 and not np.allclose(answers[0], answers[1])


def test_a_graph_without_weights_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Relu", ["image"], ["out"])
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in ("image", "out")]
    onnx.save(helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:])), tmp_path / "g")
    with pytest.raises(BundleError, match="no weights"):
        randomised_graph(tmp_path / "g", 1.0, 0)


def test_the_map_of_the_pixels_that_decide_deletes_and_inserts_best() -> None:
    image = np.random.default_rng(0).uniform(0.2, 0.4, (80, 80)).astype(np.float32)
    image[30:36, 50:56] = 1.0
    place = np.zeros((80, 80), np.float32)
    place[30:36, 50:56] = 1

    def ask(images: list[Radiograph]) -> list[float]:
        return [float(f.pixels[30:36, 50:56].mean()) for f in images]

    one = Radiograph(image)
    right = deletion_and_insertion(one, place, ask)
    for other in (np.roll(place, 30, axis=1), np.random.default_rng(1).normal(size=image.shape)):
        wrong = deletion_and_insertion(one, other.astype(np.float32), ask)
        assert right[0] < wrong[0] - 0.1 and right[1] > wrong[1] + 0.1
    assert deletion_and_insertion(one, place, lambda f: [0.5] * len(f)) == pytest.approx((0.5, 0.5))
    assert SHARES[0] == 0 and max(SHARES) < 1


def _image(patient: int, good: bool, rng: np.random.Generator) -> ImageMeasures:
    lead = 0.3 if good else 0.0
    noisy = rng.normal(0, 0.05, 3)

    def table(sign: float) -> dict[str, float]:
        return {"map": 0.4 + sign * lead + noisy[0], "random": 0.4 + noisy[1], "edges": 0.4}

    return ImageMeasures(
        patient_id=f"p{patient}",
        pointing=table(1),
        precision=table(1),
        deletion=table(-1),
        insertion=table(1),
        randomised={0.5: 0.9, 1.0: 0.1 if good else 0.9},
        repeated=0.8 if good else 0.2,
    )


def test_a_good_map_passes_all_and_a_useless_one_none() -> None:
    rng = np.random.default_rng(0)
    for good in (True, False):
        images = [_image(i, good, rng) for i in range(40)]
        result = judge(images, "phantoms", Resampling(300, 0), {})
        assert len(result.tests) == 6 and result.n_images == 40
        assert result.reliable == good
        assert len(result.failed) == (0 if good else 6)


def test_without_replicas_repeatability_is_not_tested() -> None:
    rng = np.random.default_rng(0)
    images = [replace(_image(i, True, rng), repeated=None) for i in range(20)]
    result = judge(images, "phantoms", Resampling(300, 0), {"repeatability": "one expert"})
    assert "repeatability" not in [t.name for t in result.tests]
    assert result.reliable and result.not_made == {"repeatability": "one expert"}


def test_a_test_needs_its_whole_interval_beyond_the_bar() -> None:
    assert MapTest("t", 0.3, 0.1, 0.5, 0.0, True).passed
    assert not MapTest("t", 0.3, -0.1, 0.5, 0.0, True).passed
    assert MapTest("t", 0.3, 0.1, 0.4, 0.5, False).passed
    assert not MapTest("t", 0.3, 0.1, 0.6, 0.5, False).passed
    with pytest.raises(BundleError, match="finite"):
        MapTest("t", float("nan"), 0, 1, 0, True)
