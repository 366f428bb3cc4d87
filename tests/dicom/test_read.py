"""Whole DICOM files: damaged ones and real ones."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from dicom_files import encoded, make
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    RLELossless,
)

from ulna.dicom.read import read_dicom
from ulna.errors import DicomError, ImageError, ImageWarning
from ulna.imaging import read_radiograph

REAL = Path("../shared/data/dicom")


@settings(max_examples=150, deadline=None)
@given(st.data(), st.booleans())
def test_damaged_bytes_end_in_pixels_or_an_image_error(data: st.DataObject, rle: bool) -> None:
    dataset = make(WindowCenter=100, WindowWidth=50, VOILUTFunction="SIGMOID")
    if rle:
        dataset.compress(RLELossless)
    content = bytearray(encoded(dataset))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(132, 900))] = data.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = read_radiograph(bytes(content)).pixels
        except ImageError:
            return
    assert np.isfinite(result).all() and result.min() >= 0 and result.max() <= 1


def real(name: str) -> bytes:
    if not (REAL / name).is_file():
        pytest.skip("real data ../shared/data/dicom is not on this machine")
    return (REAL / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("highdicom_dx_image.dcm", (169, 211)),
        ("pydicom-data_RG1_J2KI.dcm", (1955, 1841)),
        ("pydicom-data_RG3_J2KI.dcm", (1760, 1760)),
        ("pydicom-data_RG3_J2KR.dcm", (1760, 1760)),
        ("torchxrayvision_Fake_MONOHR1.dcm", (1024, 1024)),
        ("torchxrayvision_chest_cr.dcm", (1024, 1024)),
    ],
)
def test_real_files(name: str, shape: tuple[int, int]) -> None:
    result = read_dicom(real(name), name)
    assert result.pixels.shape == shape and result.pixels.std() > 0.05


def test_real_files_agree_with_each_other() -> None:
    lossy = read_dicom(real("pydicom-data_RG3_J2KI.dcm"), "").pixels
    lossless = read_dicom(real("pydicom-data_RG3_J2KR.dcm"), "").pixels
    assert np.abs(lossy - lossless).max() < 0.06
    # The same stored pixels under both polarities: the tag is believed.
    first = read_dicom(real("torchxrayvision_Fake_MONOHR1.dcm"), "").pixels
    second = read_dicom(real("torchxrayvision_chest_cr.dcm"), "").pixels
    np.testing.assert_allclose(first, 1 - second, atol=1e-6)


@pytest.mark.parametrize("high", [15, 5, 10])
def test_a_high_bit_that_is_not_the_top_one_stored_is_refused(high: int) -> None:
    """PS3.5 8.1.1: greys shifted up by four bits would else be read as their low bits, wrapped."""
    dataset = make()
    dataset.HighBit = high
    with pytest.raises(DicomError, match=f"High Bit {high} with 12 bits stored: expected 11"):
        read_dicom(encoded(dataset), "image")


@pytest.mark.parametrize(("extra", "reported"), [(0, False), (1, True), (64, True), (4096, True)])
def test_more_pixel_data_than_described_is_told(extra: int, reported: bool) -> None:
    """Columns one too few shear the picture: pydicom cuts the rest off and tells programmers."""
    dataset = make()
    dataset.PixelData += bytes(2 * extra)
    with warnings.catch_warnings(record=True) as result:
        warnings.simplefilter("always")
        read_dicom(encoded(dataset), "image")
    message = [str(w.message) for w in result if w.category is ImageWarning]
    assert ["the rest is ignored" in s for s in message] == [True] * reported


def test_a_high_bit_that_is_missing_is_the_top_one_stored() -> None:
    dataset = make()
    dataset.HighBit = None
    assert read_dicom(encoded(dataset), "image").pixels.max() == 1
    dataset.HighBit = [11, 11]
    assert read_dicom(encoded(dataset), "image").pixels.max() == 1


def test_a_private_transfer_syntax_is_an_error() -> None:
    data = encoded(make()).replace(b"1.2.840.10008.1.2.1\x00", b"1.2.840.99999.1.2.1\x00")
    with pytest.raises(DicomError, match="image"):
        read_dicom(data, "image")


def test_a_byte_of_padding_is_silent() -> None:
    values = np.zeros((17, 17), np.uint8)
    values[3, 3] = 9
    dataset = make(values, BitsStored=8)
    dataset.PixelData += b"\x00"  # PS3.5 8.1.1: of even length
    with warnings.catch_warnings():
        warnings.simplefilter("error", ImageWarning)
        assert read_dicom(encoded(dataset), "image").pixels.shape == (17, 17)
