"""Padding is black, whatever the VR and sign that its value is written in: PS3.3 C.7.5.1.1.2.

dicom-rs#460, dcm4che#1368: Pixel Padding Value US 63536 in signed pixels is -2000.
"""

from __future__ import annotations

import struct
import warnings

import numpy as np
import pytest
from dicom_files import RAMP, encoded, make, with_raw

from ulna.errors import ImageWarning
from ulna.imaging import read_radiograph

VALUE, LIMIT = 0x00280120, 0x00280121


def padded(value: int, signed: bool, bits: int, *, cells: bool = False) -> bytes:
    """A MONOCHROME1 image whose first 8 rows are padding, which would be white if it were grey.

    `cells`: the padding fills the whole allocated cell; else only Bits Stored of it.
    """
    values = (RAMP.astype(np.int64) >> 2) + 16
    values[:8] = value
    kept = values & (0xFFFF if cells else (1 << bits) - 1)
    image = make(
        kept.astype(np.uint16),
        BitsStored=bits,
        PixelRepresentation=int(signed),
        PhotometricInterpretation="MONOCHROME1",
    )
    return encoded(image)


def check(data: bytes) -> None:
    result = read_radiograph(data).pixels
    assert not result[:8].any()
    assert result[8:].min() > 0


@pytest.mark.parametrize("vr", ["US", "SS", "UN", "OW", "SL", "UL", "DS", "IS", "LO"])
@pytest.mark.parametrize("bits", [13, 14, 16])
@pytest.mark.parametrize("cells", [False, True])
def test_a_negative_value_in_signed_pixels(vr: str, bits: int, cells: bool) -> None:
    value = -2000
    raw = {
        "US": struct.pack("<H", value & 0xFFFF),
        "UN": struct.pack("<h", value),
        "OW": struct.pack("<h", value),
        "SS": struct.pack("<h", value),
        "SL": struct.pack("<i", value),
        "UL": struct.pack("<i", value),
    }.get(vr, b"-2000 ")
    check(with_raw(padded(value, True, bits, cells=cells), VALUE, vr, raw))


@pytest.mark.parametrize("bits", [12, 13, 14, 16])
def test_the_bits_of_a_negative_value_in_signed_pixels(bits: int) -> None:
    pattern = -2000 & ((1 << bits) - 1)
    check(with_raw(padded(-2000, True, bits), VALUE, "US", struct.pack("<H", pattern)))


@pytest.mark.parametrize("vr", ["US", "SS", "UN", "UL", "DS"])
@pytest.mark.parametrize("value", [0, 9, 65535, 40000])
def test_any_value_in_unsigned_pixels_of_16_bits(vr: str, value: int) -> None:
    raw = struct.pack("<I", value) if vr == "UL" else struct.pack("<H", value)
    data = padded(value, False, 16)
    check(with_raw(data, VALUE, vr, f"{value} ".encode() if vr == "DS" else raw))


@pytest.mark.parametrize("value", [-1, -2000, 65535, 63536])
def test_a_value_beyond_bits_stored_is_that_of_the_whole_cell(value: int) -> None:
    """12 bits stored, and pixels of 0xF830 beside greys of 0x830, which are none of padding's."""
    vr, raw = ("SS", struct.pack("<h", value)) if value < 0 else ("US", struct.pack("<H", value))
    data = with_raw(padded(value, False, 12, cells=True), VALUE, vr, raw)
    check(data)
    grey = np.full((64, 64), value & 0xFFF, np.uint16)
    grey[20:] = 100
    image = encoded(make(grey))
    assert read_radiograph(with_raw(image, VALUE, vr, raw)).pixels[:20].min() > 0


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("vr", ["US", "SS"])
def test_a_range_in_signed_pixels(swapped: bool, vr: str) -> None:
    values = RAMP.astype(np.int16) - 2048
    image = encoded(make(values, PixelRepresentation=1, PhotometricInterpretation="MONOCHROME1"))
    ends = [struct.pack("<h", v) for v in (-2000, -1000)]
    value, limit = ends[::-1] if swapped else ends
    result = read_radiograph(with_raw(with_raw(image, VALUE, vr, value), LIMIT, vr, limit)).pixels
    inside = (values >= -2000) & (values <= -1000)
    assert not result[inside].any()
    np.testing.assert_allclose(result[~inside], 1 - RAMP[~inside] / 4095, atol=1e-6)


def test_a_value_that_is_no_number_is_told() -> None:
    with warnings.catch_warnings(record=True) as result:
        warnings.simplefilter("always")
        read_radiograph(with_raw(encoded(make()), VALUE, "LO", b"NONE"), "image")
    assert [w.category for w in result] == [ImageWarning]
    assert "PixelPaddingValue 'NONE' is no whole number" in str(result[0].message)


def test_a_window_that_shows_padding_and_nothing_else_gives_way() -> None:
    image = make(RAMP | 1, WindowCenter=-5000, WindowWidth=10, PixelPaddingValue=1)
    image.PixelData = np.where(np.arange(64)[:, None] < 8, 1, RAMP | 1).astype("<u2").tobytes()
    with pytest.warns(ImageWarning, match="window 1 makes all greys of this image equal"):
        result = read_radiograph(encoded(image)).pixels
    assert not result[:8].any() and np.ptp(result) > 0.9
