"""A number is the same number in whatever VR and spelling it was written.

pydicom#828, #226 and others: header text was taken by its first character, so that a window of
"2047,5" became 2 and 4.
"""

from __future__ import annotations

import io
import struct
import warnings

import numpy as np
import pydicom
import pytest
from dicom_files import RAMP, encoded, make, with_raw
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from ulna.dicom.file_parser import parse
from ulna.dicom.values import integer, number, numbers, pair, parse_number
from ulna.dicom.voi import apply_window
from ulna.errors import DicomError, ImageWarning
from ulna.imaging import read_radiograph

CENTRE, WIDTH = 0x00281050, 0x00281051
BINARY = {"US": "<H", "SS": "<h", "UL": "<I", "SL": "<i", "FL": "<f", "FD": "<d", "UV": "<Q"}
TEXT = ("DS", "IS", "LO", "SH", "ST", "LT", "UT", "UC", "CS", "UN", "OB")


def _windowed(vr: str, centre: bytes, width: bytes) -> np.ndarray:
    plain = encoded(make())
    return read_radiograph(with_raw(with_raw(plain, CENTRE, vr, centre), WIDTH, vr, width)).pixels


@pytest.mark.parametrize("vr", BINARY)
@pytest.mark.parametrize("several", [1, 3])
def test_a_window_of_any_binary_vr(vr: str, several: int) -> None:
    centre = b"".join(struct.pack(BINARY[vr], v) for v in (1000, 9, 9)[:several])
    width = b"".join(struct.pack(BINARY[vr], v) for v in (700, 9, 9)[:several])
    expected = apply_window(RAMP, 1000, 700)
    np.testing.assert_allclose(_windowed(vr, centre, width), expected, atol=1e-6)


@pytest.mark.parametrize("vr", TEXT)
@pytest.mark.parametrize(
    ("centre", "width"),
    [
        ("1000.5", "700.25"),
        ("1000,5", "700,25"),
        (" +1.0005E3 ", "7.0025e2\0"),
        ("1000.5 HU", "700.25HU"),
        ("1000.500000000000000000", "0700.25"),
        ("1.000,5", "700,25"),
        ("1,000.5", "700.25"),
        ("1000.5\\40", "700.25\\400"),
        ("1000,5\\40\\", "700,25\\400\\"),
    ],
)
def test_a_window_of_any_text_vr(vr: str, centre: str, width: str) -> None:
    expected = apply_window(RAMP, 1000.5, 700.25)
    result = _windowed(vr, centre.encode(), width.encode())
    np.testing.assert_allclose(result, expected, atol=1e-6)


@settings(max_examples=300, deadline=None)
@given(st.floats(-1e9, 1e9), st.sampled_from(["", " ", "\0", " mm", "HU", "°"]), st.booleans())
def test_a_number_survives_its_spelling(value: float, behind: str, comma: bool) -> None:
    text = f"{value:.6f}".replace(".", "," if comma else ".")
    assert parse_number(f" {text}{behind}") == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize(
    "text", ["", "ANON", "IMG1", "--5", "1_000", "0x10", "nan", "inf", "1e999", "1,2,3", "5 5", "-"]
)
def test_what_is_no_number_is_none(text: str) -> None:
    assert parse_number(text) is None


def test_values_of_parsed_and_of_made_data_sets_are_the_same() -> None:
    dataset = Dataset()
    dataset.WindowCenter, dataset.Rows, dataset.ImagerPixelSpacing = [1.5, 2], 7, [0.1, 0.2]
    assert numbers(dataset, "WindowCenter") == (1.5, 2.0)
    assert integer(dataset, "Rows") == 7 and pair(dataset, "ImagerPixelSpacing") == (0.1, 0.2)
    assert number(dataset, "WindowWidth") is None and numbers(dataset, "WindowWidth") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.2\\0.1", (0.2, 0.1)),
        ("0.2,0.1", (0.2, 0.1)),
        ("0,2\\0,1", (0.2, 0.1)),
        ("0,2;0,1", (0.2, 0.1)),
        ("0.2/0.1", (0.2, 0.1)),
        ("0.2 x 0.1", (0.2, 0.1)),
        ("0.2x0.1", (0.2, 0.1)),
        ("0.2", None),
        ("0,2", None),
        ("0\\0.1", None),
        ("-0.2\\0.1", None),
        ("0.1\\0.2\\0.3", None),
        ("ANON", None),
    ],
)
def test_pairs(text: str, expected: tuple[float, float] | None) -> None:
    dataset = parse(with_raw(encoded(make()), 0x00181164, "LO", text.encode()), "image").dataset
    assert pair(dataset, "ImagerPixelSpacing") == expected


@pytest.mark.parametrize(
    ("keyword", "tag", "stated"),
    [
        ("Rows", 0x00280010, 64),
        ("Columns", 0x00280011, 64),
        ("BitsStored", 0x00280101, 12),
        ("BitsAllocated", 0x00280100, 16),
        ("HighBit", 0x00280102, 11),
        ("PixelRepresentation", 0x00280103, 0),
        ("SamplesPerPixel", 0x00280002, 1),
        ("NumberOfFrames", 0x00280008, 1),
    ],
)
@pytest.mark.parametrize("vr", ["US", "UL", "SS", "IS", "DS", "LO", "UN", "OW", "FD"])
def test_the_image_module_in_any_vr(keyword: str, tag: int, stated: int, vr: str) -> None:
    as_text = keyword == "NumberOfFrames" and vr in ("UN", "OW")
    if vr in BINARY or (vr in ("UN", "OW") and not as_text):
        raw = struct.pack(BINARY.get(vr, "<H"), stated)
    else:
        raw = f"{stated} ".encode()
    result = read_radiograph(with_raw(encoded(make()), tag, vr, raw))
    np.testing.assert_allclose(result.pixels, RAMP / 4095, atol=1e-6)


@pytest.mark.parametrize(
    ("keyword", "reported"),
    [
        ("PixelRepresentation", "Pixel Representation is missing"),
        ("BitsStored", None),  # High Bit says it
        ("BitsAllocated", "Bits Allocated is missing or no number: 16 are assumed"),
        ("HighBit", None),
        ("SamplesPerPixel", None),
    ],
)
def test_what_is_missing_in_the_image_module(keyword: str, reported: str | None) -> None:
    dataset = make()
    delattr(dataset, keyword)
    with warnings.catch_warnings(record=True) as result:
        warnings.simplefilter("always")
        pixels = read_radiograph(encoded(dataset), "image").pixels
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)
    message = [str(w.message) for w in result]
    assert all(w.category is ImageWarning for w in result)
    assert not reported or any(reported in s for s in message)


# Elements that have nothing to do with the picture: (tag, VR, bytes).
ELSEWHERE = [
    (0x00080020, "DA", b"yesterday "),
    (0x00080030, "TM", b"99:99"),
    (0x00080005, "CS", b"ISO_IR 9999 "),
    (0x00100010, "PN", b"\xff\xfe\xfd^="),
    (0x00100020, "LO", b"A\\B\\C"),
    (0x00101010, "AS", b"ninety"),
    (0x00180060, "DS", b"50 kVp"),
    (0x00181152, "IS", b"14.5"),
    (0x00181405, "IS", b"-"),
    (0x00191001, "FD", b"0.264 "),
    (0x00191002, "US", b"abc"),
    (0x00280106, "US", b"abc"),
    (0x00200011, "IS", b"456115117112105700000"),
    (0x00200013, "IS", b"IMG1"),
    (0x00080018, "UI", b"not a uid !"),
    (0x00281054, "LO", b"\x1b$B\x80\x81"),
    (0x00081140, "SQ", b"\x01\x02\x03\x04rubbish rubbish"),
    (0x00400260, "SQ", b"\xfe\xff\x00\xe0\xff\x00\x00\x00"),
    (0x00880200, "SQ", b""),
    (0x00082218, "LO", b"Wrist "),
    (0x00540220, "OB", b"abcd"),
    (0x00283000, "UT", b"none"),
    (0x00283010, "LO", b"none"),
    (0x00283010, "SQ", b"\xfe\xff\x00\xe0\x00\x00\x00\x00"[:0]),
    (0x00181600, "CS", b"ROUND "),
    (0x00181602, "IS", b"abc "),
    (0x60000010, "US", b"\x01"),
    (0x00280034, "IS", b"a\\b "),
    (0x00280004 + 2, "XX", b"ab"),
]


@pytest.mark.parametrize(("tag", "vr", "value"), ELSEWHERE)
def test_what_is_not_of_the_picture_does_not_refuse_it_or_warn(
    tag: int, vr: str, value: bytes
) -> None:
    """GE, Siemens and every anonymiser break these; pydicom raises or warns for most of them."""
    result = read_radiograph(with_raw(encoded(make()), tag, vr, value))
    np.testing.assert_allclose(result.pixels, RAMP / 4095, atol=1e-6)


def test_the_same_in_a_file_of_implicit_vr() -> None:
    dataset = make(WindowCenter="1000", WindowWidth="700", RescaleSlope="1", RescaleIntercept="0")
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset["PixelData"].VR = "OW"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    data = buffer.getvalue().replace(b"1000", b"1e3 ", 1)
    np.testing.assert_allclose(
        read_radiograph(data).pixels, apply_window(RAMP, 1000, 700), atol=1e-6
    )


@pytest.mark.parametrize(
    ("slope", "intercept", "reported"),
    [
        (b"2 ", b"-1024", ""),
        (b"2,0 ", b"-1.024,0", ""),
        (b"0 ", b"0 ", "Slope 0 would make all greys equal"),
        (b"ANON", b"0 ", "RescaleSlope 'ANON' is no number"),
        (b"1 ", b"ANON", "RescaleIntercept 'ANON' is no number"),
        (b"1E308 ", b"1E308 ", "too large"),
    ],
)
def test_a_rescale_that_cannot_be_applied_is_told(
    slope: bytes, intercept: bytes, reported: str
) -> None:
    data = with_raw(encoded(make()), 0x00281053, "LO", slope)
    data = with_raw(data, 0x00281052, "LO", intercept)
    with warnings.catch_warnings(record=True) as result:
        warnings.simplefilter("always")
        pixels = read_radiograph(data, "image").pixels
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)
    assert [reported in str(w.message) for w in result] == [True] * bool(reported)


def test_errors_and_notes_name_no_exception_and_no_address() -> None:
    for change in ({"Rows": 65}, {"BitsStored": 17}, {"Modality": "CT"}):
        with pytest.raises(DicomError) as caught:
            read_radiograph(encoded(make(**change)), "image")
        assert not any(
            word in str(caught.value) for word in ("Error", "Exception", "0x", "object at")
        )


@pytest.mark.parametrize("text", ["[7.5, 2]", "(7.5,2)", "7.5;2", "7,5;2", "7,5\\2", "[7.5; 2]"])
def test_lists_as_programs_write_them_out(text: str) -> None:
    dataset = Dataset()
    dataset.WindowCenter = None
    dataset["WindowCenter"].VR = "LO"
    dataset["WindowCenter"]._value = text
    assert numbers(dataset, "WindowCenter") == (7.5, 2.0)
    assert pair(dataset, "WindowCenter") == (7.5, 2.0)


def test_bits_stored_of_0_are_those_of_high_bit() -> None:
    data = with_raw(encoded(make()), 0x00280101, "US", b"\0\0")
    with pytest.warns(ImageWarning, match="Bits Stored is missing, 0 or no number: 12"):
        pixels = read_radiograph(data).pixels
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)
