"""The engine runs a graph as the formula says, in batches of any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from analytic_bundle import COARSE, FINE, SIZE, Analytic

from ulna.config.engine import EngineSettings
from ulna.errors import BundleError, ConfigError
from ulna.runtime.session import MAX_BATCH, Session


@pytest.mark.parametrize("expert", [COARSE, FINE], ids=lambda e: e.name)
@pytest.mark.parametrize("batch", [1, MAX_BATCH + 3])
def test_graph_answers_as_the_formula(expert: Analytic, batch: int, tmp_path: Path) -> None:
    path = tmp_path / "graph.onnx"
    path.write_bytes(expert.graph())
    images = np.random.default_rng(1).normal(0, 1, (batch, 1, SIZE, SIZE)).astype(np.float32)
    result = Session(path, EngineSettings(threads=1)).run(images)
    assert len(result) == batch
    for image, output in zip(images, result, strict=True):
        for name, wanted in expert.answer(image).items():
            np.testing.assert_allclose(getattr(output, name), wanted, atol=1e-5)


def test_damaged_graph_is_named(tmp_path: Path) -> None:
    path = tmp_path / "graph.onnx"
    path.write_bytes(COARSE.graph()[:200])
    with pytest.raises(BundleError, match=r"graph\.onnx: the inference engine cannot load"):
        Session(path)


def test_graph_of_something_else_is_refused() -> None:
    model = onnx.load_from_string(COARSE.graph())
    del model.graph.output[-1]
    with pytest.raises(BundleError, match="expected a graph of `ulna export`"):
        Session(model.SerializeToString())


def test_threads_are_not_negative() -> None:
    with pytest.raises(ConfigError, match="-1 threads"):
        Session(COARSE.graph(), EngineSettings(threads=-1))
