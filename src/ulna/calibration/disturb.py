"""Simulated acquisition shift: one change of a calibration image, as another hospital may make it.

The changed copies show how far an image of the same kind may lie from the training images, and by
how much its answer changes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import ndimage

from ulna.corruptions.blur import blur
from ulna.corruptions.crop import crop
from ulna.corruptions.exposure import change_gamma
from ulna.types import Array, Radiograph

Change = Callable[[Array, np.random.Generator, float], Array]


def disturbed(radiograph: Radiograph, pitch_of: int = 640) -> Radiograph:
    """Return the image under one of seven changes, drawn by its file name and shape.

    The changes are blur, edge enhancement, gamma, a closer crop, a coarser grid, a dark border and
    a white letter plate. pitch_of: longest side, in pixels, for which the radii of blur and edge
    enhancement are given.
    """
    pixels = radiograph.pixels
    seed = zlib.crc32(radiograph.source.rpartition("/")[2].encode("utf-8", "backslashreplace"))
    rng = np.random.default_rng([seed, *pixels.shape])
    change = CHANGES[int(rng.integers(len(CHANGES)))]
    changed = change(pixels, rng, max(pixels.shape) / pitch_of)
    return replace(radiograph, pixels=np.ascontiguousarray(changed, dtype=np.float32))


def _blur(x: Array, rng: np.random.Generator, pitch: float) -> Array:
    return blur(x, pitch * rng.uniform(0.8, 2.0))


def _edges(x: Array, rng: np.random.Generator, pitch: float) -> Array:
    soft = ndimage.gaussian_filter(x, pitch * rng.uniform(1.0, 3.0))
    return np.asarray(np.clip(x + rng.uniform(0.7, 2.0) * (x - soft), 0, 1))


def _gamma(x: Array, rng: np.random.Generator, pitch: float) -> Array:
    return change_gamma(x, float(np.exp(rng.choice([-1, 1]) * rng.uniform(0.3, 0.7))))


def _crop(x: Array, rng: np.random.Generator, pitch: float) -> Array:
    return crop(x, rng.uniform(0.15, 0.45), (float(rng.random()), float(rng.random())))


def _coarse(x: Array, rng: np.random.Generator, pitch: float) -> Array:
    share = rng.uniform(0.3, 0.6)
    if min(x.shape) * share < 2:
        return x
    return np.asarray(np.clip(ndimage.zoom(x, share, order=1), 0, 1))


def _border(x: Array, rng: np.random.Generator, pitch: float) -> Array:
    return np.pad(x, round(max(x.shape) * rng.uniform(0.1, 0.3)))


def _plate(x: Array, rng: np.random.Generator, pitch: float) -> Array:
    height, width = x.shape
    tall, wide = max(1, height // 10), max(1, width * 3 // 20)
    top, left = int(rng.integers(height - tall + 1)), int(rng.choice([0, width - wide]))
    plated = x.copy()
    plated[top : top + tall, left : left + wide] = 1.0
    return plated


CHANGES: tuple[Change, ...] = (_blur, _edges, _gamma, _crop, _coarse, _border, _plate)
