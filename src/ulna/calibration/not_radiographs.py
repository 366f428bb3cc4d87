"""Synthetic pictures that are not radiographs, examples of what a bundle is to refuse.

There are three kinds: noise with the spectrum of natural images (Field 1987, Relations between the
statistics of natural images and the response properties of cortical cells), overlapping shapes of
all sizes ("dead leaves": Lee, Mumford and Huang 2001, Occlusion models for natural images), and
lines of strokes as on a page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import ndimage

from ulna.types import Array, Radiograph

_SIDE = 256
Draw = Callable[[np.random.Generator], "np.ndarray[tuple[int, int], np.dtype[np.float64]]"]


def not_radiographs(n: int, seed: int = 0) -> Iterator[Radiograph]:
    """Generate `n` pictures with sides of 120 to 640 pixels, the same for the same seed."""
    for number in range(n):
        rng = np.random.default_rng([seed, number])
        picture = KINDS[number % len(KINDS)](rng)
        cut = int(rng.integers(120, _SIDE + 1))
        picture = picture[:cut] if rng.random() < 0.5 else picture[:, :cut]
        if rng.random() < 0.5:
            picture = ndimage.zoom(picture, rng.uniform(1, 2.5), order=1)
        pixels: Array = np.ascontiguousarray(np.clip(picture, 0, 1), dtype=np.float32)
        yield Radiograph(pixels, source=f"not a radiograph {number}")


def _spectrum(rng: np.random.Generator) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    frequency = np.fft.fftfreq(_SIDE)
    radius = np.hypot(frequency[:, None], frequency[None])
    radius[0, 0] = 1
    phase = np.exp(2j * np.pi * rng.random(radius.shape))
    field = np.fft.ifft2(phase / radius ** rng.uniform(0.3, 1.8)).real
    return np.asarray((field - field.min()) / np.ptp(field))


def _leaves(rng: np.random.Generator) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    picture = np.full((_SIDE, _SIDE), rng.random())
    for _ in range(int(rng.integers(20, 150))):
        radius = _SIDE * 0.02 * (1 - rng.random()) ** -0.6
        top, left, turn = rng.random() * _SIDE, rng.random() * _SIDE, rng.random() * np.pi
        flatness, square = rng.uniform(0.4, 1), rng.random() < 0.4
        grey, slope = rng.random(), 0.2 * rng.normal() / radius
        # The shape lies inside this part of the picture at any rotation.
        rows, columns = (
            slice(max(0, int(m - 1.5 * radius)), int(m + 1.5 * radius) + 1) for m in (top, left)
        )
        around = picture[rows, columns]
        y, x = (
            np.arange(s.start, s.start + n)
            for s, n in zip((rows, columns), around.shape, strict=True)
        )
        u = (x - left) * np.cos(turn) + (y[:, None] - top) * np.sin(turn)
        v = ((y[:, None] - top) * np.cos(turn) - (x - left) * np.sin(turn)) / flatness
        inside = np.maximum(abs(u), abs(v)) < radius if square else np.hypot(u, v) < radius
        around[inside] = grey + slope * u[inside]
    picture = np.clip(picture, 0, 1) + rng.uniform(0, 0.3) * (_spectrum(rng) - 0.5)
    return np.asarray(ndimage.gaussian_filter(picture, rng.uniform(0, 1.2)))


def _strokes(rng: np.random.Generator) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    paper = rng.uniform(0.8, 1)
    page, height = np.full((_SIDE, _SIDE), paper), int(rng.integers(4, 14))
    pitch = int(height * rng.uniform(1.3, 2.2))
    for top in range(int(rng.integers(0, 30)), _SIDE - height, pitch):
        left = int(rng.integers(0, 30))
        while left < _SIDE - 10 and rng.random() < 0.97:
            width = min(int(rng.integers(2, 8 * height)), _SIDE - left)
            ink = rng.random((height, width)) < 0.45
            page[top : top + height, left : left + width][ink] = rng.uniform(0, 0.3)
            left += width + height // 2
    return page if rng.random() < 0.5 else 1 - page


KINDS: tuple[Draw, ...] = (_spectrum, _leaves, _leaves, _strokes)
