"""The grey of every pixel by one table, against the chain applied to each pixel's own value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dicom_files import first_transform, lut_item, make, no_warning

from ulna.dicom.grey import (
    apply_modality,
    grey_levels,
    is_inverted,
    stored_range,
    stored_values,
)

RNG = np.random.default_rng(0)


def _by_pixel(pixels: np.ndarray, dataset: Any) -> np.ndarray:
    values = stored_values(pixels, dataset)
    low, high = stored_range(dataset)
    ends = apply_modality(np.arange(low, high + 1), dataset, no_warning)
    way = first_transform(dataset, (float(ends.min()), float(ends.max())))
    grey = way.apply(apply_modality(values, dataset, no_warning))
    if is_inverted(dataset, "image"):
        grey = 1 - grey
    return grey.astype(np.float32)


@pytest.mark.filterwarnings("ignore:image. bits above")
@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_equals_the_chain_to_the_bit(bits: int, signed: int, photometric: str) -> None:
    # Taller than a band of rows, with rubbish in the bits above Bits Stored.
    patterns = RNG.integers(0, 1 << 16, (300, 301)).astype(np.uint16)
    pixels = patterns.view(np.int16) if signed else patterns
    settings: dict[str, Any] = {
        "BitsStored": bits,
        "PixelRepresentation": signed,
        "PhotometricInterpretation": photometric,
        "RescaleSlope": 1.5,
        "RescaleIntercept": -20.0,
    }
    window = make(pixels, **settings, WindowCenter=700.0, WindowWidth=900.0)
    np.testing.assert_array_equal(grey_levels(pixels, window, "image"), _by_pixel(pixels, window))
    curve = np.sqrt(np.linspace(0, 1, 4096)) * 4095
    table = make(pixels, **settings, VOILUTSequence=[lut_item(0, 12, curve.astype(np.uint16))])
    np.testing.assert_array_equal(grey_levels(pixels, table, "image"), _by_pixel(pixels, table))
