"""One expert of the shipped bundle (`cnn`) in each engine that is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchmarks.speed.contenders.engines import load_session, precisions_here
from benchmarks.speed.inputs import prepared_images

from ulna.bundle import read_bundle

WAYS = [(engine, kind) for engine, kinds in precisions_here().items() for kind in kinds]


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize(("engine", "precision"), WAYS)
def test_session(benchmark: Any, bundle: Path, engine: str, precision: str, batch: int) -> None:
    result = read_bundle(bundle)
    entry = next(e for e in result.manifest.experts if e.encoder == "cnn")
    session = load_session(result.graph_path(entry), engine, precision, threads=1)
    images = prepared_images(batch, result.manifest.input_spec.size)
    outputs = benchmark(session.run, images)
    assert len(outputs) == batch
