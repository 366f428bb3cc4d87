"""From bytes to what the networks read."""

from __future__ import annotations

from typing import Any

import pytest
from benchmarks.parts.images import LARGE, SMALL, dicom_film, png_film

from ulna.config.input_spec import InputSpec
from ulna.imaging import read_radiograph
from ulna.preprocess import prepare

FILMS = {"png 512 px": (png_film, SMALL), "dicom 3000 x 2500": (dicom_film, LARGE)}


@pytest.mark.parametrize("kind", FILMS)
def test_decode(benchmark: Any, kind: str) -> None:
    make, shape = FILMS[kind]
    radiograph = benchmark(read_radiograph, make(), kind)
    assert radiograph.pixels.shape == shape


@pytest.mark.parametrize("size", [224, 320])
@pytest.mark.parametrize("kind", FILMS)
def test_prepare(benchmark: Any, kind: str, size: int) -> None:
    radiograph = read_radiograph(FILMS[kind][0](), kind)
    pixels, _ = benchmark(prepare, radiograph, InputSpec(size=size))
    assert pixels.shape == (1, size, size)
