"""Grey-scale transformations against closed forms and against pydicom's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from dicom_files import first_transform, lut_item, make, no_warning, ramp12
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut, apply_windowing

from ulna.dicom.grey import (
    apply_modality,
    grey_levels,
    is_inverted,
    stored_range,
    stored_values,
)
from ulna.dicom.luts import read_lut
from ulna.dicom.voi import apply_window
from ulna.errors import DicomError, ImageWarning

RAMP = ramp12()


def grey(pixels: np.ndarray = RAMP, **attributes: Any) -> np.ndarray:
    result = grey_levels(pixels, make(pixels, **attributes), "image")
    assert result.dtype == np.float32 and result.min() >= 0 and result.max() <= 1
    return result


def test_without_luts_the_whole_stored_range_is_shown() -> None:
    np.testing.assert_allclose(grey(), RAMP / 4095, atol=1e-6)
    np.testing.assert_allclose(grey(BitsStored=14), RAMP / 16383, atol=1e-6)


@pytest.mark.parametrize("bits", range(8, 17))
def test_bits_stored(bits: int) -> None:
    values = np.linspace(0, 2**bits - 1, 1024).astype(np.uint16).reshape(32, 32)
    np.testing.assert_allclose(grey(values, BitsStored=bits), values / (2**bits - 1), atol=1e-6)


def test_bits_above_bits_stored_carry_no_grey_and_are_told_unless_an_overlay_is_declared() -> None:
    pixels = RAMP | np.uint16(0xA000)
    with pytest.warns(ImageWarning, match="image: bits above the 12 stored are set"):
        np.testing.assert_allclose(grey(pixels), RAMP / 4095, atol=1e-6)
    dataset = make(pixels)
    dataset.add_new(0x60000102, "US", 13)
    np.testing.assert_allclose(grey_levels(pixels, dataset, "image"), RAMP / 4095, atol=1e-6)


def test_signed_values() -> None:
    values = RAMP.astype(np.int16) - 2048
    dataset = make(values, PixelRepresentation=1)
    assert stored_range(dataset) == (-2048, 2047)
    np.testing.assert_array_equal(stored_values(values, dataset), values)
    np.testing.assert_array_equal(stored_values(values & 0x0FFF, dataset), values)
    np.testing.assert_allclose(grey(values, PixelRepresentation=1), RAMP / 4095, atol=1e-6)


def test_rescale() -> None:
    dataset = make(RescaleSlope=0.5, RescaleIntercept=-100)
    np.testing.assert_allclose(apply_modality(RAMP, dataset, no_warning), RAMP * 0.5 - 100)
    np.testing.assert_allclose(
        grey(RescaleSlope=2, RescaleIntercept=9, WindowCenter=4104, WindowWidth=2048),
        np.clip((RAMP * 2.0 + 9 - 4103.5) / 2047 + 0.5, 0, 1),
        atol=1e-6,
    )
    # A negative slope keeps the order of the modality's units: what is high is bright.
    np.testing.assert_allclose(
        grey(RescaleSlope=-1, RescaleIntercept=0), 1 - RAMP / 4095, atol=1e-6
    )


def test_modality_lut_comes_before_the_window() -> None:
    table = np.arange(4096)[::-1] * 4
    result = grey(ModalityLUTSequence=[lut_item(0, 16, table)], WindowCenter=8192, WindowWidth=4096)
    np.testing.assert_allclose(
        result, np.clip((table[RAMP] - 8191.5) / 4095 + 0.5, 0, 1), atol=1e-6
    )


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    st.floats(-500, 5000),
    st.floats(1, 6000),
)
def test_windows_equal_pydicom(function: str, centre: float, width: float) -> None:
    width = max(width, 1.5)
    dataset = make(WindowCenter=centre, WindowWidth=width, VOILUTFunction=function)
    with np.errstate(over="ignore"):
        expected = apply_windowing(RAMP, dataset) / 4095
    result = apply_window(RAMP, float(dataset.WindowCenter), float(dataset.WindowWidth), function)
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_window_closed_forms() -> None:
    # C.11.2.1.2.1, example: c = 2048, w = 4096 maps 0..4095 to the whole output.
    np.testing.assert_allclose(apply_window(RAMP, 2048, 4096), RAMP / 4095)
    # Width 1 is a threshold at centre - 0.5.
    np.testing.assert_array_equal(apply_window([99, 100, 101], 100, 1), [0, 1, 1])
    assert apply_window([7.0], 7, 10, "SIGMOID")[0] == 0.5
    assert apply_window([7.0], 7, 10, "LINEAR_EXACT")[0] == 0.5
    np.testing.assert_allclose(apply_window([-1e9, 1e9], 0, 1e-3, "SIGMOID"), [0, 1], atol=1e-9)


@pytest.mark.parametrize(
    ("width", "function"),
    [(0, "LINEAR"), (0.5, "LINEAR"), (-3, "SIGMOID"), (float("nan"), "LINEAR"), (5, "CUBIC")],
)
def test_windows_that_make_no_sense(width: float, function: str) -> None:
    with pytest.raises(DicomError):
        apply_window(RAMP, 100, width, function)


def test_first_of_several_windows() -> None:
    several = grey(WindowCenter=[1000, 3000], WindowWidth=[500, 100])
    np.testing.assert_array_equal(several, grey(WindowCenter=1000, WindowWidth=500))


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("first", [0, 500])
def test_voi_lut_sequence(bits: int, first: int) -> None:
    table = np.round(np.sqrt(np.linspace(0, 1, 3000)) * (2**bits - 1))
    item = lut_item(first, bits, table)
    dataset = make(VOILUTSequence=[item], WindowCenter=1, WindowWidth=2)
    result = first_transform(dataset, (0, 4095)).apply(RAMP.astype(np.float64))
    index = np.clip(RAMP.astype(int) - first, 0, 2999)
    np.testing.assert_allclose(result, table[index] / (2**bits - 1))
    if bits > 8:  # pydicom takes entries of 8 bits as packed two to a word, whatever their number
        np.testing.assert_allclose(result, apply_voi_lut(RAMP, dataset) / (2**bits - 1))


def test_lut_whose_descriptor_understates_its_entries_is_not_clipped() -> None:
    dataset = make(VOILUTSequence=[lut_item(0, 10, np.arange(4096))])
    result = first_transform(dataset, (0, 4095)).apply(RAMP.astype(float))
    np.testing.assert_allclose(result, RAMP / 4095)


def test_lut_of_65536_entries_is_written_as_0() -> None:
    table = np.arange(65536)[::-1]
    item = lut_item(0, 16, table)
    assert item.LUTDescriptor[0] == 0
    np.testing.assert_array_equal(
        read_lut(item, (0, 65535), no_warning).apply([0, 5, 65535]), [65535, 65530, 0]
    )


def test_modality_lut_equals_pydicom() -> None:
    dataset = make(ModalityLUTSequence=[lut_item(100, 16, np.arange(2000) * 3)])
    np.testing.assert_array_equal(
        apply_modality(RAMP, dataset, no_warning), apply_modality_lut(RAMP, dataset)
    )


def test_8_bit_entries_two_to_a_word() -> None:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [256, 0, 8])
    item.add_new("LUTData", "OW", np.arange(256, dtype=np.uint8)[::-1].tobytes())
    np.testing.assert_array_equal(
        read_lut(item, (0, 255), no_warning).apply([0, 1, 255]), [255, 254, 0]
    )
    item.add_new("LUTData", "US", [int(v) for v in np.arange(256, dtype=np.uint8).view("<u2")])
    np.testing.assert_array_equal(
        read_lut(item, (0, 255), no_warning).apply([0, 1, 255]), [0, 1, 255]
    )


def test_lut_that_is_too_short() -> None:
    item = lut_item(0, 12, np.arange(10))
    item.LUTDescriptor = [500, 0, 12]
    with pytest.raises(DicomError, match="10 entries, expected 500"):
        read_lut(item, (0, 4095), no_warning)


def test_monochrome1_is_inverted_after_the_window() -> None:
    window = {"WindowCenter": 1000, "WindowWidth": 700}
    one = grey(PhotometricInterpretation="MONOCHROME1", **window)
    np.testing.assert_allclose(one, 1 - grey(**window), atol=1e-6)


def test_monochrome1_and_inverse_are_one_inversion() -> None:
    both = grey(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    np.testing.assert_allclose(both, 1 - RAMP / 4095, atol=1e-6)
    np.testing.assert_allclose(grey(PresentationLUTShape="IDENTITY"), RAMP / 4095, atol=1e-6)


@pytest.mark.parametrize(
    ("photometric", "shape"), [("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "IDENTITY")]
)
def test_polarity_that_disagrees_is_a_warning(photometric: str, shape: str) -> None:
    dataset = make(PhotometricInterpretation=photometric, PresentationLUTShape=shape)
    with pytest.warns(ImageWarning, match="image: .*expected INVERSE with MONOCHROME1"):
        assert is_inverted(dataset, "image")


def test_padding_is_black_in_both_polarities() -> None:
    for kind in ("MONOCHROME1", "MONOCHROME2"):
        pixels = RAMP.copy()
        pixels[:, 60:] = 4095
        result = grey(pixels, PhotometricInterpretation=kind, PixelPaddingValue=4095)
        assert not result[:, 60:].any()
        ranged = grey(
            PhotometricInterpretation=kind, PixelPaddingValue=4095, PixelPaddingRangeLimit=4000
        )
        assert not ranged[RAMP >= 4000].any() and ranged[RAMP < 4000].any()


def test_a_pixel_amid_the_limb_that_has_the_paddings_value_is_a_grey() -> None:
    pixels = RAMP.copy()
    pixels[:4], pixels[30, 30], pixels[20:24, 5] = 4095, 4095, 4095
    result = grey(pixels, PhotometricInterpretation="MONOCHROME2", PixelPaddingValue=4095)
    assert result[30, 30] == 1 and result[-1, -1] == 1
    assert not result[:4].any() and not result[20:24, 5].any()
