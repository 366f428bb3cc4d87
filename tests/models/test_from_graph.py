"""A torch module made of a graph answers as the graph does, and can be taught further."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.runtime.analytic_bundle import write_analytic

import ulna
from ulna.bundle import DEMONSTRATION_BUNDLE, STUDENT_BUNDLE, read_bundle
from ulna.config.engine import PORTABLE
from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig
from ulna.errors import ConfigError, WeightsError
from ulna.export.graph import expert_graph
from ulna.export.half import in_half
from ulna.models.expert import Expert, build_expert
from ulna.models.from_graph import expert_of_graph
from ulna.models.test_time_augmentation import with_test_time_augmentation
from ulna.runtime.session import Session
from ulna.types import BodyPart, FindingCategory

PARTS = (BodyPart.ELBOW, BodyPart.WRIST)
FOUND = (FindingCategory.FRACTURE, FindingCategory.HARDWARE)
SPEC = InputSpec(size=64)


def trained(config: ExpertConfig, biased: bool = True) -> Expert:
    """An expert whose normalisations and biases do something, as after training."""
    torch.manual_seed(3)
    expert = build_expert(config, PARTS, FOUND, SPEC)
    for module in expert.modules():
        if isinstance(module, torch.nn.Conv2d) and module.bias is not None and biased:
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.7, 1.3)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    if expert.reads_evidence:
        torch.nn.init.uniform_(expert.evidence_P)
        torch.nn.init.uniform_(expert.origin_P)
    return expert.eval()


@pytest.mark.slow
@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize(
    "config",
    [
        ExpertConfig(name="net", encoder="cnn", neck="attention", fit_heads=True),
        ExpertConfig(name="net", encoder="cnn", neck="plain"),
        ExpertConfig(name="net", encoder="tf_efficientnet_lite0", neck="attention"),
        ExpertConfig(name="net", encoder="resnet18", neck="plain", input_scale=0.5),
        ExpertConfig(name="net", encoder="densenet121"),  # normalises before its convolutions
        ExpertConfig(name="net", encoder="vgg11"),  # has biases and no normalisation
    ],
    ids=lambda c: f"{c.encoder}-{c.neck}",
)
def test_the_module_answers_as_the_graph(tmp_path: Path, config: ExpertConfig, half: bool) -> None:
    before = trained(config, biased=half)  # biases of zeros are not in the graph
    graph = expert_graph(before, SPEC)
    if half:
        graph, _ = in_half(before, graph)
    file = tmp_path / "net.onnx"
    file.write_bytes(graph)
    expert = expert_of_graph(file, config, PARTS, FOUND, SPEC)
    images = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        ours = expert(images)
    for k, theirs in enumerate(Session(file, PORTABLE).run(images.numpy())):
        np.testing.assert_allclose(ours.abnormal_BP[k], theirs.abnormal, atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(ours.body_part_BP[k], theirs.body_part, atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(ours.finding_BF[k], theirs.finding, atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(ours.cam_BPhw[k], theirs.cam, atol=1e-3, rtol=1e-3)


def test_the_bundle_in_the_package_can_be_taught_further() -> None:
    expert = ulna.load_expert(DEMONSTRATION_BUNDLE)
    assert expert.body_parts and not expert.training
    out = expert(torch.zeros(2, 1, expert.input_spec.size, expert.input_spec.size))
    out.abnormal_BP.sum().backward()
    grown = [n for n, p in expert.named_parameters() if p.grad is not None and p.grad.any()]
    assert any(n.startswith("encoder.") for n in grown) and "abnormal.weight" in grown
    with pytest.raises(ConfigError, match="expected one of"):
        ulna.load_expert(DEMONSTRATION_BUNDLE, "nobody")


def test_one_of_several_experts_has_to_be_named(tmp_path: Path) -> None:
    bundle = write_analytic(tmp_path / "bundle")
    names = ", ".join(e.name for e in bundle.manifest.experts)
    with pytest.raises(ConfigError, match=f"holds 2 experts: expected a name, one of {names}"):
        ulna.load_expert(bundle.path)


def test_a_graph_of_several_scales_is_the_mean_of_the_module_at_each() -> None:
    if not (STUDENT_BUNDLE / "manifest.json").is_file():
        pytest.skip("no student in this source tree")
    manifest = read_bundle(STUDENT_BUNDLE).manifest
    (config,), (entry,) = manifest.recipe.experts, manifest.experts
    assert len(config.test_scales) > 1
    expert = ulna.load_expert(STUDENT_BUNDLE)
    views = with_test_time_augmentation(expert, config, expert.input_spec.size)
    side = expert.input_spec.size
    image = torch.randn(1, 1, side, side)
    with torch.no_grad():
        ours = views(image)
    (theirs,) = Session(STUDENT_BUNDLE / entry.graph, PORTABLE).run(image.numpy())
    np.testing.assert_allclose(ours.abnormal_BP[0], theirs.abnormal, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(ours.cam_BPhw[0], theirs.cam, atol=1e-2, rtol=1e-3)


def test_a_folder_that_is_neither_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"recipe\.json nor manifest\.json"):
        ulna.load_expert(tmp_path)


def test_a_graph_of_another_encoder_is_an_error(tmp_path: Path) -> None:
    bundle = read_bundle(DEMONSTRATION_BUNDLE)
    (entry,) = bundle.manifest.experts
    other = ExpertConfig(name="net", encoder="resnet18")
    with pytest.raises(WeightsError, match="not in the graph"):
        expert_of_graph(bundle.graph_path(entry), other, PARTS, FOUND, SPEC)
