"""The road to the model against the plain formulas it stands for, to the bit.

NumPy's percentiles, a stretch in one expression, sparse matrices, box sums by `cumsum`: what was
computed before it was made fast. A trained bundle's figures hold only while the two agree.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from ulna.imaging.geometry import Placement, area_matrix
from ulna.imaging.resample import linear_taps
from ulna.preprocess import InputSpec, letterbox_uint8
from ulna.types import Radiograph

SHAPES = ((512, 440), (300, 500), (17, 33), (90, 640), (1300, 1100))


def _matrix(n_in: int, n_out: int) -> sparse.csc_array:
    if n_out < n_in:
        return sparse.csc_array(area_matrix(n_in, n_out).astype(np.float32))
    taps = linear_taps(n_in, n_out)
    dense = np.zeros((n_out, n_in), np.float32)
    np.add.at(dense, (np.arange(n_out), taps.first), taps.weights[:, 0])
    np.add.at(dense, (np.arange(n_out), np.minimum(taps.first + 1, n_in - 1)), taps.weights[:, 1])
    return sparse.csc_array(dense)


def _box_sum(x: np.ndarray, side: int) -> np.ndarray:
    half = side // 2
    for axis in (0, 1):
        total = np.insert(np.cumsum(x, axis=axis), 0, 0, axis=axis)
        n = x.shape[axis]
        first = np.maximum(np.arange(n) - half, 0)
        last = np.minimum(np.arange(n) + half + 1, n)
        x = np.take(total, last, axis=axis) - np.take(total, first, axis=axis)
    return x


def _local_contrast(square: np.ndarray, image: np.ndarray, share: float) -> np.ndarray:
    side = max(3, round(share * len(square)) | 1)
    counted = np.maximum(_box_sum(image.astype(np.float64), side), 1)
    inside = np.where(image, square, 0).astype(np.float64)
    mean = _box_sum(inside, side) / counted
    variance = np.maximum(_box_sum(inside**2, side) / counted - mean**2, 0)
    scaled = 0.5 + (inside - mean) / (6 * np.sqrt(variance + 0.02**2))
    return np.where(image, np.clip(scaled, 0, 1), 0).astype(np.float32)


def _reference(pixels: np.ndarray, spec: InputSpec) -> np.ndarray:
    step = max(1, int(np.ceil(np.sqrt(pixels.size / (1 << 20)))))
    low, high = np.percentile(pixels[::step, ::step], [0.5, 99.5]).tolist()
    stretched = np.clip((pixels - low) / (high - low), 0, 1)
    place = Placement.fit(pixels.shape, spec.size)
    (left, top), whole = place.padding, _matrix(place.side, spec.size)
    rows = whole[:, top : top + pixels.shape[0]]
    columns = whole[:, left : left + pixels.shape[1]]
    square = np.ascontiguousarray((columns @ (rows @ stretched).T).T, dtype=np.float32)
    if spec.local_contrast:
        centre = (np.arange(spec.size) + 0.5) * place.side / spec.size
        down = (centre > top) & (centre < top + pixels.shape[0])
        across = (centre > left) & (centre < left + pixels.shape[1])
        square = _local_contrast(square, down[:, None] & across, spec.local_contrast)
    return np.rint(np.clip(square, 0, 1) * 255).astype(np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [224, 640])
@pytest.mark.parametrize("local", [0.0, 0.2])
@pytest.mark.parametrize("levels", [255, 65535])
def test_equals_the_plain_formulas(
    shape: tuple[int, int], size: int, local: float, levels: int
) -> None:
    rng = np.random.default_rng(shape[0])
    image = rng.random(shape) * np.linspace(0.2, 1, shape[1])
    pixels = (np.rint(image * levels) / levels).astype(np.float32)
    spec = InputSpec(size=size, local_contrast=local)
    result, _ = letterbox_uint8(Radiograph(pixels), spec)
    np.testing.assert_array_equal(result, _reference(pixels, spec))
