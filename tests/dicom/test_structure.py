"""The structure of files, and warnings of valid attributes that are not applied."""

from __future__ import annotations

import io
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import RAMP, data_set_start, encoded, in_syntax, make, reported, with_raw
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from ulna.dicom.header import read_header
from ulna.dicom.signature import looks_like_dicom
from ulna.errors import DicomError, ImageWarning
from ulna.imaging import read_radiograph

NATIVE = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]


def _says(data: bytes, uid: str) -> bytes:
    """The same data set under another Transfer Syntax UID."""
    start = data_set_start(data)
    value = uid.encode() + bytes(len(uid) % 2)
    meta = b"\x02\x00\x10\x00UI" + struct.pack("<H", len(value)) + value
    length = b"\x02\x00\x00\x00UL\x04\x00" + struct.pack("<I", len(meta))
    return bytes(128) + b"DICM" + length + meta + data[start:]


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("message", NATIVE)
def test_the_data_set_is_believed_before_its_transfer_syntax(
    syntax: Any, message: Any, tmp_path: Path
) -> None:
    """pydicom#820, scifio#298."""
    pixels, notes = reported(_says(in_syntax(syntax, tmp_path), message))
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)
    assert [f"is {syntax.name}: read as it is written" in n for n in notes] == [True] * (
        syntax != message
    )


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("head", ["all", "no preamble", "no preamble or meta", "magic only"])
def test_what_stands_before_the_data_set(syntax: Any, head: str, tmp_path: Path) -> None:
    data = in_syntax(syntax, tmp_path)
    start = {"all": 0, "no preamble": 132, "magic only": 128}.get(head, data_set_start(data))
    assert looks_like_dicom(data[start : start + 132])
    np.testing.assert_allclose(read_radiograph(data[start:]).pixels, RAMP / 4095, atol=1e-6)


@pytest.mark.parametrize("length", [0, 1, 70, 2**31, 2**32 - 1])
def test_a_wrong_length_of_group_2(length: int) -> None:
    data = bytearray(encoded(make()))
    data[140:144] = length.to_bytes(4, "little")
    np.testing.assert_allclose(read_radiograph(bytes(data)).pixels, RAMP / 4095, atol=1e-6)


@pytest.mark.parametrize("tail", [bytes(512), b"\xff" * 7, b"\xfc\xff\xfc\xffOB\0\0\4\0\0\0abcd"])
def test_what_follows_the_pixels_is_of_no_interest(tail: bytes) -> None:
    pixels, notes = reported(encoded(make()) + tail)
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)
    assert not notes


@pytest.mark.parametrize("window", [-zlib.MAX_WBITS, zlib.MAX_WBITS])
def test_deflated_with_and_without_the_head_of_zlib(window: int) -> None:
    plain = encoded(make())
    stream = zlib.compressobj(9, zlib.DEFLATED, window)
    body = stream.compress(plain[data_set_start(plain) :]) + stream.flush()
    data = _says(plain, DeflatedExplicitVRLittleEndian)
    result = read_radiograph(data[: data_set_start(data)] + body)
    np.testing.assert_allclose(result.pixels, RAMP / 4095, atol=1e-6)


def test_said_to_be_deflated_and_is_not() -> None:
    result = read_radiograph(_says(encoded(make()), DeflatedExplicitVRLittleEndian))
    np.testing.assert_allclose(result.pixels, RAMP / 4095, atol=1e-6)


def test_text_in_its_character_set(tmp_path: Path) -> None:
    dataset = make(SpecificCharacterSet="ISO_IR 192", PatientID="Käthe\\Ω", ViewPosition="PA")
    (tmp_path / "image").write_bytes(encoded(dataset))
    assert read_header(tmp_path / "image").patient_id == "Käthe\\Ω"
    view = pydicom.Dataset()
    view.CodeValue, view.CodingSchemeDesignator, view.CodeMeaning = "1", "99X", "Länge"
    dataset.ViewPosition, dataset.ViewCodeSequence = "", [view]
    (tmp_path / "image").write_bytes(encoded(dataset))
    assert read_header(tmp_path / "image").view == "Länge"
    strange = with_raw(encoded(make()), 0x00080005, "CS", b"ISO 9999")
    (tmp_path / "image").write_bytes(strange)
    assert read_header(tmp_path / "image").patient_id == "p1"


@pytest.mark.parametrize("number", ["IMG1", "", "4561151171121057000000", "7.0"])
def test_an_instance_number_of_any_text(number: str, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(with_raw(encoded(make()), 0x00200013, "IS", number.encode()))
    assert isinstance(read_header(tmp_path / "image").instance_number, int)


@pytest.mark.parametrize(
    ("attributes", "told_of"),
    [
        ({"PixelAspectRatio": [2, 1]}, "2 times as high as wide (PixelAspectRatio)"),
        ({"PixelAspectRatio": [1, 1]}, ""),
        ({"PixelAspectRatio": [0, 0]}, ""),
        ({"ImagerPixelSpacing": [0.1, 0.2]}, "0.5 times as high as wide (ImagerPixelSpacing)"),
        ({"PixelSpacing": [0.2, 0.1]}, "2 times as high as wide (PixelSpacing)"),
        ({"ImagerPixelSpacing": [0.14, 0.1401]}, ""),
        ({"ImagerPixelSpacing": [0.14, -0.28]}, ""),
    ],
)
def test_pixels_that_are_not_square_are_told(attributes: dict[str, Any], told_of: str) -> None:
    pixels, notes = reported(encoded(make(**attributes)))
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)
    assert [told_of in n for n in notes] == [True] * bool(told_of)


def shutter(shape: str, **edges: Any) -> dict[str, Any]:
    return {"ShutterShape": shape.split("\\"), **edges}


def rectangle(left: Any, right: Any, upper: Any, lower: Any) -> dict[str, Any]:
    return {
        "ShutterLeftVerticalEdge": left,
        "ShutterRightVerticalEdge": right,
        "ShutterUpperHorizontalEdge": upper,
        "ShutterLowerHorizontalEdge": lower,
    }


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        (shutter("RECTANGULAR", **rectangle(5, 60, 1, 64)), "rectangular"),
        (shutter("RECTANGULAR", **rectangle(1, 64, 1, 64)), ""),
        (shutter("RECTANGULAR", **rectangle(60, 5, 1, 64)), ""),
        (shutter("RECTANGULAR", **rectangle(5, 60, 1, None)), ""),
        (shutter("RECTANGULAR"), ""),
        (
            shutter("CIRCULAR", CenterOfCircularShutter=[32, 32], RadiusOfCircularShutter=30),
            "circular",
        ),
        (shutter("CIRCULAR", CenterOfCircularShutter=[32, 32], RadiusOfCircularShutter=90), ""),
        (shutter("CIRCULAR", CenterOfCircularShutter=[32, 32], RadiusOfCircularShutter=0), ""),
        (shutter("POLYGONAL", VerticesOfThePolygonalShutter=[1, 1, 1, 9, 9, 9]), "polygonal"),
        (shutter("POLYGONAL", VerticesOfThePolygonalShutter=[1, 1]), ""),
        (shutter("BITMAP", ShutterOverlayGroup=0x6000), "bitmap"),
        (
            shutter(
                "RECTANGULAR\\CIRCULAR",
                **rectangle(5, 60, 1, 64),
                CenterOfCircularShutter=[32, 32],
                RadiusOfCircularShutter=30,
            ),
            "rectangular, circular",
        ),
        (shutter("ROUND"), ""),
    ],
)
def test_a_shutter_that_hides_something_is_told_and_not_applied(
    attributes: dict[str, Any], kind: str
) -> None:
    pixels, notes = reported(encoded(make(**attributes)))
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)
    assert [f"display shutter ({kind}) is not applied" in n for n in notes] == [True] * bool(kind)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize("vr", ["OB", "OW"])
@pytest.mark.parametrize("side", [16, 17])
def test_8_bit_pixels_in_bytes_and_in_words(syntax: Any, vr: str, side: int) -> None:
    """Words of a big-endian file hold their bytes swapped, two 8-bit pixels each: PS3.5 8.2."""
    values = np.arange(side * side, dtype=np.uint64).astype(np.uint8).reshape(side, side)
    dataset = make(values, BitsStored=8)
    big = syntax == ExplicitVRBigEndian
    raw = bytearray(values.tobytes() + bytes(values.size % 2))
    if big and vr == "OW":
        raw[0::2], raw[1::2] = raw[1::2], raw[0::2]
    dataset.PixelData = bytes(raw)
    dataset["PixelData"].VR = vr
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    pydicom.dcmwrite(
        buffer, dataset, implicit_vr=False, little_endian=not big, enforce_file_format=True
    )
    np.testing.assert_allclose(read_radiograph(buffer.getvalue()).pixels, values / 255, atol=1e-6)


TINY = b"\x09\x00\x01\x10LO\x00\x00"
ITEM = b"\xfe\xff\x00\xe0" + bytes(4)


@pytest.mark.parametrize(
    "inside",
    [
        TINY * 300_000,
        b"\x08\x00\x40\x11SQ\0\0" + b"\xff" * 4 + ITEM * 300_000 + b"\xfe\xff\xdd\xe0" + bytes(4),
    ],
)
def test_more_elements_than_any_image_has_are_refused_at_once(inside: bytes) -> None:
    data = encoded(make())
    start, began = data_set_start(data), time.monotonic()
    with pytest.raises(DicomError, match="image: .*more than 200000 elements"):
        read_radiograph(data[:start] + inside + data[start:], "image")
    assert time.monotonic() - began < 5


def test_fragments_without_number_are_refused_at_once() -> None:
    image = make()
    image.file_meta.TransferSyntaxUID = RLELossless
    image.PixelData = ITEM * 300_000 + b"\xfe\xff\xdd\xe0" + bytes(4)
    image["PixelData"].is_undefined_length = True
    with pytest.raises(DicomError, match="image: .*more than 200000 elements"):
        read_radiograph(encoded(image), "image")


def test_rle_is_unpacked_as_far_as_the_image_needs_it() -> None:
    """2 MB of RLE can unpack to gigabytes: each of these segments would to 128 MB."""
    image = make()
    image.file_meta.TransferSyntaxUID = RLELossless
    segment = b"\x81\x07" * 1_000_000
    frame = struct.pack("<16I", 2, 64, 64 + len(segment), *[0] * 13) + segment * 2
    image.PixelData = encapsulate([frame])
    image["PixelData"].is_undefined_length = True
    with pytest.warns(ImageWarning, match="all pixels are equal"):
        result = read_radiograph(encoded(image)).pixels
    np.testing.assert_allclose(result, 0x707 / 4095, atol=1e-6)


@pytest.mark.parametrize("count", [0, 3, 2**31])
def test_rle_segments_that_do_not_go_with_the_bits(count: int) -> None:
    image = make()
    image.file_meta.TransferSyntaxUID = RLELossless
    image.PixelData = encapsulate([struct.pack("<16I", count, 64, *[0] * 14) + b"\x81\x07" * 99])
    image["PixelData"].is_undefined_length = True
    with pytest.raises(DicomError, match=f"{count} RLE segments, where its pixels have 2 bytes"):
        read_radiograph(encoded(image))


@pytest.mark.parametrize("vr", [b"??", b"\0\0", b"  ", b"OX", b"--", b"xx"])
@pytest.mark.parametrize("head", ["<2xI", "<H"])
@pytest.mark.parametrize("value", [b"", b"abcdef"])
def test_an_element_of_a_vr_that_is_none_is_passed_over(vr: bytes, head: str, value: bytes) -> None:
    """New VRs have a length of 32 bits (PS3.5 6.2); dcmtk and others wrote "??" or blanks."""
    data = encoded(make())
    start = data_set_start(data)
    start += 8 + int.from_bytes(data[start + 6 : start + 8], "little")
    odd = b"\x08\x00\x17\x00" + vr + struct.pack(head, len(value)) + value
    pixels, notes = reported(data[:start] + odd + data[start:])
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)
    assert notes == []


@pytest.mark.parametrize("syntax", NATIVE)
def test_a_data_set_that_is_said_to_be_deflated_and_is_not(syntax: Any, tmp_path: Path) -> None:
    pixels, _ = reported(_says(in_syntax(syntax, tmp_path), DeflatedExplicitVRLittleEndian))
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)


@pytest.mark.parametrize("implicit", [True, False])
def test_the_inside_of_a_sequence_is_read_as_it_is_written(implicit: bool) -> None:
    """UN should be implicit inside (PS3.5 6.2.2, note 5); some writers are explicit there too."""
    table = 4095 - np.arange(4096, dtype="<u2")
    descriptor = struct.pack("<3H", 4096, 0, 12)
    inner = b""
    for number, vr, value in ((0x3002, b"US", descriptor), (0x3006, b"OW", table.tobytes())):
        inner += struct.pack("<HH", 0x28, number)
        if implicit:
            inner += struct.pack("<I", len(value))
        else:
            inner += vr + struct.pack("<H" if vr == b"US" else "<2xI", len(value))
        inner += value
    sequence = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(inner)) + inner
    pixels, _ = reported(with_raw(encoded(make()), 0x00283010, "UN", sequence))
    np.testing.assert_allclose(pixels, 1 - RAMP / 4095, atol=1e-6)
