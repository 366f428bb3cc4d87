"""From what the experts say to the answer: fusion, the map on the image, outlines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.parts.images import LARGE, SMALL
from scipy import ndimage

from ulna.bundle import read_bundle
from ulna.imaging.geometry import Placement
from ulna.imaging.outline import findings_from_map
from ulna.runtime.fusion import ExpertOutput, fuse_image, routing_weights
from ulna.types import Array

FILMS = {"512 px": SMALL, "3000 x 2500": LARGE}


def _grid(side: int = 28) -> Array:
    """A calm map with three warm places, in logits."""
    grid = np.full((side, side), -1.0, np.float32)
    for row, column in ((5, 7), (14, 20), (22, 9)):
        grid[row, column] = 60
    return np.asarray(ndimage.gaussian_filter(grid, 1.2), dtype=np.float32)


def test_fuse(benchmark: Any, bundle: Path) -> None:
    manifest = read_bundle(bundle).manifest
    rng = np.random.default_rng(3)
    parts, categories = len(manifest.body_parts), len(manifest.categories)
    outputs = {
        e.name: ExpertOutput(
            rng.normal(size=parts),
            rng.normal(size=parts),
            rng.normal(size=categories),
            rng.normal(size=(parts, *e.grid)).astype(np.float32),
        )
        for e in manifest.experts
    }
    routing = routing_weights(rng.normal(size=(1, parts)), manifest.body_parts, None)
    fused = benchmark(fuse_image, outputs, routing, manifest)
    assert fused.grid.shape == max(e.grid for e in manifest.experts)


@pytest.mark.parametrize("film", FILMS)
def test_map_to_film(benchmark: Any, image: str) -> None:
    placement = Placement.fit(FILMS[image], 224)
    heat_map = benchmark(placement.to_source, _grid())
    assert heat_map.shape == FILMS[image]


@pytest.mark.parametrize("film", FILMS)
def test_outlines(benchmark: Any, image: str) -> None:
    heat_map = Placement.fit(FILMS[image], 224).to_source(_grid())
    findings = benchmark(findings_from_map, heat_map, 1.0)
    assert len(findings) == 3
