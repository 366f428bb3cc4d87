"""A real-size encoder answers the same in both engines."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_run import lively_expert, tiny_recipe

from ulna.config.engine import EngineSettings
from ulna.config.recipe import ExpertConfig
from ulna.export.graph import expert_graph
from ulna.export.parity import parity_images
from ulna.runtime.session import Session


@pytest.mark.slow
def test_engines_agree_on_a_resnet50() -> None:
    pytest.importorskip("openvino", reason="openvino is not installed (extra 'fast')")
    torch.set_num_threads(1)
    config = ExpertConfig(name="resnet50", encoder="resnet50")
    recipe = tiny_recipe([config], size=224)
    graph = expert_graph(lively_expert(config, recipe), recipe.input_spec)
    images = parity_images(recipe.input_spec)
    onnx, openvino = (
        Session(graph, EngineSettings.parse(e)).run(images)
        for e in ("onnxruntime:fp32:1", "openvino:fp32:1")
    )
    for a, b in zip(onnx, openvino, strict=True):
        for name in ("abnormal", "body_part", "finding", "features"):
            x, y = getattr(a, name), getattr(b, name)
            assert np.abs(x - y).max() <= 1e-3 * max(1.0, np.abs(x).max())
        assert np.abs(a.cam - b.cam).max() <= 1e-3 * np.abs(a.cam).max()
