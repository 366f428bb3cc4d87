"""A run becomes a bundle that answers as torch does, for every kind of expert."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_run import PARTS, lively_expert, tiny_recipe, write_tiny_run

from ulna.bundle import read_bundle
from ulna.config.engine import EngineSettings
from ulna.config.recipe import ExpertConfig
from ulna.errors import BundleError, ConfigError, WeightsError
from ulna.export import export_bundle
from ulna.export.graph import expert_graph
from ulna.export.parity import check_parity, parity_images
from ulna.models.trained import load_expert
from ulna.runtime.fusion import ExpertOutput
from ulna.runtime.session import Session

EXPERTS = {
    "cnn": ExpertConfig(name="cnn", encoder="cnn", neck="attention"),
    # coarser than the recipe's input, with heads that read the attention's evidence
    "coarse": ExpertConfig("coarse", "cnn", neck="attention", input_scale=0.5, fit_heads=True),
    "resnet50": ExpertConfig(name="resnet50", encoder="resnet50"),
    "densenet121": ExpertConfig(name="densenet121", encoder="densenet121", drop_rate=0.2),
    "vgg19": ExpertConfig(name="vgg19", encoder="vgg19"),
}
CNN = EXPERTS["cnn"]
SMALL = ExpertConfig(name="small", encoder="resnet10t")
HEADS = ("abnormal", "body_part", "finding", "cam", "features", "finding_cam")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("name", EXPERTS)
def test_torch_and_onnx_agree_and_maps_are_complete(name: str) -> None:
    recipe = tiny_recipe([EXPERTS[name]])
    expert = lively_expert(EXPERTS[name], recipe)
    rng = np.random.default_rng(3)
    images = rng.normal(0, 1.5, (5, 1, 64, 64)).astype(np.float32)
    graph = expert_graph(expert, recipe.input_spec)
    session = Session(graph, EngineSettings(threads=1))
    with torch.inference_mode():
        wanted = expert(torch.from_numpy(images))
    for batch in (1, 5):  # the graph was traced with 2
        for i, result in enumerate(session.run(images[:batch])):
            logits = (wanted.abnormal_BP, wanted.body_part_BP, wanted.finding_BF)
            shared = (*logits, wanted.cam_BPhw, wanted.features_BC, wanted.finding_cam_BFhw)
            outputs = [v for k, v in vars(result).items() if k != "attended"]
            for a, b in zip(shared, outputs, strict=True):
                assert np.abs(a[i].numpy() - b).max() <= 1e-4
            bias = expert.bias_P.detach().numpy()
            assert np.abs(result.cam.mean(axis=(1, 2)) + bias - result.abnormal).max() <= 1e-4
            finding_bias = expert.finding_bias_F.detach().numpy()
            mean = result.finding_cam.mean(axis=(1, 2))
            assert np.abs(mean + finding_bias - result.finding).max() <= 1e-4
            torch_map = wanted.cam_BPhw[i].numpy().mean(axis=(1, 2))
            assert np.abs(torch_map + bias - wanted.abnormal_BP[i].numpy()).max() <= 1e-4
    # Outputs that are all 0 would agree, too.
    assert wanted.abnormal_BP.std() > 0.05 and wanted.finding_cam_BFhw.std() > 0.01


def test_graph_holds_no_path_of_the_machine_that_wrote_it() -> None:
    recipe = tiny_recipe([CNN])
    graph = expert_graph(lively_expert(CNN, recipe), recipe.input_spec)
    for word in (os.getcwd(), str(Path(torch.__file__).parent), "stack_trace", "ulna.models"):
        assert word.encode() not in graph


def test_same_weights_same_graph() -> None:
    recipe = tiny_recipe([CNN])
    first, second = (expert_graph(lively_expert(CNN, recipe), recipe.input_spec) for _ in "ab")
    assert first == second


def test_bundle_records_what_was_exported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe = tiny_recipe([CNN, SMALL])
    experts = write_tiny_run(tmp_path / "run", recipe)
    calls: list[tuple[int, int]] = []
    bundle = export_bundle(
        tmp_path / "run", tmp_path / "bundle", progress=lambda d, n: calls.append((d, n))
    )
    assert capfd.readouterr().out == ""
    assert calls == [(0, 2), (1, 2), (2, 2)]
    assert read_bundle(tmp_path / "bundle") == bundle
    manifest = bundle.manifest
    assert sorted(p.name for p in bundle.path.iterdir()) == [
        "cnn.onnx",
        "manifest.json",
        "small.onnx",
    ]
    assert (manifest.name, manifest.recipe, manifest.body_parts) == ("tiny", recipe, PARTS)
    assert manifest.split == {"train": 2, "tune": 1, "calibration": 1}
    assert [e.grid for e in manifest.experts] == [(8, 8), (2, 2)]
    for entry in manifest.experts:
        expert = experts[entry.name]
        assert entry.parameters == sum(p.numel() for p in expert.parameters())
        biases = [entry.biases[p] for p in PARTS]
        assert np.allclose(biases, expert.bias_P.detach().numpy(), atol=0)
    assert not bundle.calibrated
    assert set(manifest.fusion.weights[PARTS[0]].values()) == {0.5}
    assert {v for t in manifest.fusion.thresholds.values() for v in t.values()} == {0.5}
    assert manifest.metrics["parity_max_error"] <= 1e-4
    assert manifest.metrics["completeness_max_error"] <= 1e-4
    assert manifest.metrics["tune_auroc.cnn"] == 0.75
    assert manifest.versions["torch"] == torch.__version__.split("+")[0]


def test_graph_without_findings_has_no_such_output(tmp_path: Path) -> None:
    recipe = tiny_recipe([SMALL], categories=0)
    write_tiny_run(tmp_path / "run", recipe)
    bundle = export_bundle(tmp_path / "run", tmp_path / "bundle", name="named")
    assert bundle.manifest.name == "named"
    session = Session(bundle.graph_path(bundle.manifest.experts[0]), EngineSettings(threads=1))
    (result, *_) = session.run(parity_images(recipe.input_spec))
    assert result.finding.shape == (0,) and result.finding_cam.size == 0
    assert not bundle.manifest.finding_maps


def test_gate_refuses_a_graph_of_other_weights() -> None:
    recipe = tiny_recipe([CNN])
    expert, other = (lively_expert(CNN, recipe, seed) for seed in (0, 1))
    images = parity_images(recipe.input_spec)
    onnx = Session(expert_graph(other, recipe.input_spec), EngineSettings(threads=1)).run(images)
    with pytest.raises(BundleError, match="'cnn': torch and ONNX differ by"):
        check_parity(expert, images, onnx, "cnn")


def test_gate_refuses_a_map_that_does_not_add_up() -> None:
    recipe = tiny_recipe([CNN])
    expert = lively_expert(CNN, recipe)
    with torch.no_grad():  # cells in the tens: the shift is little to a cell, much to their mean
        expert.abnormal.weight.mul_(30)
    images = parity_images(recipe.input_spec)
    onnx = Session(expert_graph(expert, recipe.input_spec), EngineSettings(threads=1)).run(images)
    shifted = [replace(o, cam=o.cam + np.float32(2e-4)) for o in onnx]
    with pytest.raises(BundleError, match="map and logit by"):
        check_parity(expert, images, shifted, "cnn")
    with torch.no_grad():
        expert.finding.weight.mul_(30)
    onnx = Session(expert_graph(expert, recipe.input_spec), EngineSettings(threads=1)).run(images)
    shifted = [replace(o, finding_cam=o.finding_cam + np.float32(2e-4)) for o in onnx]
    with pytest.raises(BundleError, match="map and logit by"):
        check_parity(expert, images, shifted, "cnn")


def test_gate_refuses_weights_that_are_not_finite(tmp_path: Path) -> None:
    write_tiny_run(tmp_path / "run", tiny_recipe([CNN]))
    path = tmp_path / "run/experts/cnn/weights.safetensors"
    state = load_file(path)
    state["abnormal.weight"][0, 0] = float("nan")
    save_file(state, path)
    with pytest.raises(BundleError, match="not be finite"):
        export_bundle(tmp_path / "run", tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_gate_refuses_an_answer_that_is_no_number() -> None:
    """In whichever head and image: no comparison with nan is true."""
    recipe = tiny_recipe([SMALL])
    expert = lively_expert(SMALL, recipe)
    images = parity_images(recipe.input_spec)
    with torch.inference_mode():
        out = expert(torch.from_numpy(images))
    values = (out.abnormal_BP, out.body_part_BP, out.finding_BF, out.cam_BPhw, out.features_BC)
    values = (*values, out.finding_cam_BFhw)
    same = [ExpertOutput(*(v[i].numpy() for v in values)) for i in range(len(images))]
    assert check_parity(expert, images, same, "small").parity_error == 0
    for head, image in product(HEADS, (0, 2)):
        odd = getattr(same[image], head).copy()
        odd.flat[-1] = np.nan
        answers = [*same]
        answers[image] = replace(same[image], **{head: odd})
        with pytest.raises(BundleError, match="torch and ONNX differ by nan"):
            check_parity(expert, images, answers, "small")


def test_a_folder_in_the_way_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_run(tmp_path / "run", tiny_recipe([SMALL]))
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/notes.txt").write_text("mine")
    monkeypatch.setattr("ulna.export.run.expert_graph", lambda *_: pytest.fail("exported"))
    with pytest.raises(BundleError, match=r"notes\.txt.*no part of a bundle"):
        export_bundle(tmp_path / "run", tmp_path / "precious")


def test_weights_are_loaded_strictly(tmp_path: Path) -> None:
    recipe = tiny_recipe([CNN])
    run = tmp_path / "run"
    expert = write_tiny_run(run, recipe)["cnn"]
    loaded = load_expert(run, recipe, CNN)
    assert not loaded.training
    for key, tensor in expert.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[key])
    path = run / "experts/cnn/weights.safetensors"
    state = load_file(path)
    for damage in (
        {k: v for k, v in state.items() if k != "body_part.bias"},
        {**state, "x": state["body_part.bias"].clone()},
    ):
        save_file(damage, path)
        with pytest.raises(WeightsError, match=r"weights\.safetensors: does not fit expert 'cnn'"):
            load_expert(run, recipe, CNN)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="damaged"):
        load_expert(run, recipe, CNN)
    path.unlink()
    with pytest.raises(WeightsError, match="finish the run"):
        export_bundle(run, tmp_path / "bundle")


def test_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"recipe\.json: no such file"):
        export_bundle(tmp_path, tmp_path / "bundle")
    write_tiny_run(tmp_path / "run", tiny_recipe([CNN]))
    (tmp_path / "run/split.json").write_text(json.dumps([1]))
    with pytest.raises(ConfigError, match=r"split\.json: expected an object"):
        export_bundle(tmp_path / "run", tmp_path / "bundle")


@pytest.mark.slow
def test_full_size_network_exports(tmp_path: Path) -> None:
    write_tiny_run(tmp_path / "run", tiny_recipe([EXPERTS["vgg19"]], size=224))
    bundle = export_bundle(tmp_path / "run", tmp_path / "bundle")
    assert bundle.manifest.experts[0].grid == (7, 7)
    assert bundle.manifest.metrics["parity_max_error"] <= 1e-4
    (graph,) = (p for p in bundle.path.iterdir() if p.suffix == ".onnx")
    assert 70e6 < graph.stat().st_size < 90e6


def test_test_time_views_are_part_of_the_graph(tmp_path: Path) -> None:
    plain = tiny_recipe([CNN])
    views = tiny_recipe([replace(CNN, test_mirror=True, test_scales=(1.0, 1.5))])
    for run, recipe in (("a", plain), ("b", views)):
        write_tiny_run(tmp_path / run, recipe)
    alone = export_bundle(tmp_path / "a", tmp_path / "alone")
    both = export_bundle(tmp_path / "b", tmp_path / "both")
    assert both.manifest.metrics["completeness_max_error"] <= 1e-4
    images = parity_images(plain.input_spec)
    graphs = [
        Session(b.graph_path(b.manifest.experts[0]), EngineSettings(threads=1))
        for b in (alone, both)
    ]
    (one, mirrored), averaged = (
        [graphs[0].run(images), graphs[0].run(images[..., ::-1].copy())],
        [graphs[1].run(images), graphs[1].run(images[..., ::-1].copy())],
    )
    for i in range(len(images)):
        assert np.abs(one[i].abnormal - mirrored[i].abnormal).max() > 1e-3
        assert np.abs(averaged[0][i].abnormal - averaged[1][i].abnormal).max() < 1e-4
        assert averaged[0][i].cam.shape == one[i].cam.shape
        kinds = averaged[0][i].finding_cam
        bias = both.manifest.experts[0].finding_biases.values()
        assert kinds.shape[1:] == one[i].cam.shape[1:] and len(kinds) == len(bias)
        assert np.abs(kinds.mean((1, 2)) + list(bias) - averaged[0][i].finding).max() <= 1e-4
        # of an image and of its mirror image they are mirror images
        np.testing.assert_allclose(kinds[..., ::-1], averaged[1][i].finding_cam, atol=1e-3)
