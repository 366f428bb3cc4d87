"""Baselines: maps that do not depend on the answer. A heat map must be better than each."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ulna.imaging.geometry import Placement
from ulna.types import Array

BASELINES = ("random", "edges")


def random_map(placement: Placement, grid: tuple[int, int], rng: np.random.Generator) -> Array:
    """Return noise (H, W) as coarse as a map of `grid` cells, placed on the source like a map."""
    return placement.to_source(rng.standard_normal(grid).astype(np.float32))


def edge_map(pixels: Array, placement: Placement, grid: tuple[int, int]) -> Array:
    """Return the edges (H, W) of the image (Sobel's gradient), as coarse as a map of `grid` cells.

    An edge detector does not depend on the model. A heat map that is no better merely shows the
    image (Adebayo 2018).
    """
    image = placement.array_to_target(pixels)
    strength = np.hypot(ndimage.sobel(image, axis=0), ndimage.sobel(image, axis=1))
    step = placement.size // grid[0]
    cells = strength[: grid[0] * step, : grid[1] * step].reshape(grid[0], step, grid[1], step)
    return placement.to_source(cells.mean(axis=(1, 3)).astype(np.float32))
