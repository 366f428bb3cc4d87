"""Look-up tables whose descriptor, VR, sign or byte order do not fit their data.

pydicom#942 and #2081, dcm4che#1521, dicom-rs PR825, cornerstoneWADO PR101, fo-dicom#1062.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import RAMP, encoded, lut_item, make, no_warning, reported, with_raw
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from ulna.dicom.luts import read_lut
from ulna.dicom.voi import apply_window
from ulna.errors import DicomError
from ulna.imaging import read_radiograph

MODALITY, VOI = 0x00283000, 0x00283010
SIGNED = RAMP.astype(np.int16) - 2048


def curve(bits: int, entries: int = 4096) -> np.ndarray:
    return np.round(np.sqrt(np.linspace(0, 1, entries)) * (2**bits - 1)).astype(np.uint16)


def _element(tag: int, vr: str, value: bytes) -> bytes:
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    if vr in ("OB", "OW", "UN", "UT", "OF"):
        return head + struct.pack("<HI", 0, len(value)) + value
    return head + struct.pack("<H", len(value)) + value


def with_lut(
    data: bytes, descriptor: bytes, table: bytes, vrs: tuple[str, str] = ("US", "OW")
) -> bytes:
    """The file with a VOI LUT Sequence of one item whose two elements have the VRs `vrs`."""
    inside = _element(0x00283002, vrs[0], descriptor) + _element(0x00283006, vrs[1], table)
    item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(inside)) + inside
    return with_raw(data, VOI, "SQ", item)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("data_vr", ["OW", "US", "SS", "OB", "UN", "UT", "LT", "OF"])
@pytest.mark.parametrize("descriptor_vr", ["US", "SS", "UN", "OW"])
@pytest.mark.parametrize("signed", [0, 1])
def test_the_vr_of_a_lut_changes_nothing(
    bits: int, data_vr: str, descriptor_vr: str, signed: int
) -> None:
    table = curve(bits)
    image = make(SIGNED if signed else RAMP, PixelRepresentation=signed)
    descriptor = struct.pack("<HHH", 4096, -2048 & 0xFFFF if signed else 0, bits)
    data = with_lut(encoded(image), descriptor, table.tobytes(), (descriptor_vr, data_vr))
    np.testing.assert_allclose(read_radiograph(data).pixels, table[RAMP] / (2**bits - 1), atol=1e-6)


@pytest.mark.parametrize("first", [0, 1000, 30000, 40000, 61439])
@pytest.mark.parametrize("vr", ["US", "SS"])
def test_the_first_value_mapped_of_unsigned_pixels(first: int, vr: str) -> None:
    table = curve(16)
    pixels = (RAMP.astype(np.int64) + first).astype(np.uint16)
    descriptor = struct.pack("<HHH", 4096, first, 16)
    data = with_lut(encoded(make(pixels, BitsStored=16)), descriptor, table.tobytes(), (vr, "OW"))
    np.testing.assert_allclose(read_radiograph(data).pixels, table[RAMP] / 65535, atol=1e-6)


@pytest.mark.parametrize("first", [-32768, -30000, -2048, -1, 0, 1000, 28000])
@pytest.mark.parametrize("vr", ["US", "SS"])
def test_the_first_value_mapped_of_signed_pixels(first: int, vr: str) -> None:
    table = curve(16)
    pixels = (RAMP.astype(np.int64) + first).astype(np.int16)
    image = make(pixels, BitsStored=16, PixelRepresentation=1)
    descriptor = struct.pack("<HHH", 4096, first & 0xFFFF, 16)
    data = with_lut(encoded(image), descriptor, table.tobytes(), (vr, "OW"))
    np.testing.assert_allclose(read_radiograph(data).pixels, table[RAMP] / 65535, atol=1e-6)


def test_the_first_value_mapped_after_a_rescale_that_goes_below_0() -> None:
    """C.11.2.1.1: SS if the rescale's output may be negative; many write it US."""
    image = make(RescaleSlope=1, RescaleIntercept=-1024)
    table = curve(12)
    descriptor = struct.pack("<HHH", 4096, -1024 & 0xFFFF, 12)
    result = read_radiograph(with_lut(encoded(image), descriptor, table.tobytes()))
    np.testing.assert_allclose(result.pixels, table[RAMP] / 4095, atol=1e-6)


@pytest.mark.parametrize("count", [0, 40000, 65535])
@pytest.mark.parametrize("signed", [0, 1])
def test_many_entries(count: int, signed: int) -> None:
    """0 is 65536 (C.11.1.1), and with VR SS 40000 reads as a negative number."""
    table = curve(16, count or 65536)
    values = np.arange(0, 65536, 16).astype(np.uint16).reshape(64, 64)
    low = -32768 if signed else 0
    pixels = (values.astype(np.int64) + low).astype(np.int16) if signed else values
    image = make(pixels, BitsStored=16, PixelRepresentation=signed)
    descriptor = struct.pack("<HHH", count, low & 0xFFFF, 16)
    data = with_lut(encoded(image), descriptor, table.tobytes(), ("SS", "OW"))
    index = np.minimum(values, table.size - 1)
    np.testing.assert_allclose(read_radiograph(data).pixels, table[index] / 65535, atol=1e-6)


@pytest.mark.parametrize(
    ("message", "held"),
    [(16, 8), (16, 10), (16, 12), (16, 15), (12, 8), (0, 12), (10, 12), (255, 14)],
)
def test_bits_of_storage_instead_of_entries(message: int, held: int) -> None:
    """dicom-rs PR825, dcm4che#413: Agfa says 16 bits and writes 12; viewers go by the entries."""
    table = curve(held)
    data = with_lut(encoded(make()), struct.pack("<HHH", 4096, 0, message), table.tobytes())
    pixels, notes = reported(data)
    np.testing.assert_allclose(pixels, table[RAMP] / (2**held - 1), atol=1e-6)
    assert len(notes) == 1 and f"its entries have {held}" in notes[0]


def test_entries_that_do_not_reach_full_scale_stay_below_it() -> None:
    table = (curve(16) * 0.7).astype(np.uint16)
    data = with_lut(encoded(make()), struct.pack("<HHH", 4096, 0, 16), table.tobytes())
    np.testing.assert_allclose(read_radiograph(data).pixels, table[RAMP] / 65535, atol=1e-6)
    table = (curve(12) * 0.4).astype(np.uint16)
    data = with_lut(encoded(make()), struct.pack("<HHH", 4096, 0, 12), table.tobytes())
    np.testing.assert_allclose(read_radiograph(data).pixels, table[RAMP] / 4095, atol=1e-6)


@pytest.mark.parametrize("vr", ["OW", "OB", "UN"])
@pytest.mark.parametrize("entries", [4096, 4095])
def test_8_bit_entries_one_a_byte(vr: str, entries: int) -> None:
    table = curve(8, entries).astype(np.uint8)
    raw = table.tobytes() + bytes(entries % 2)
    data = with_lut(encoded(make()), struct.pack("<HHH", entries, 0, 8), raw, ("US", vr))
    index = np.minimum(RAMP, entries - 1)
    np.testing.assert_allclose(read_radiograph(data).pixels, table[index] / 255, atol=1e-6)


def test_8_bit_entries_that_are_said_to_have_16() -> None:
    table = curve(8).astype(np.uint8)
    pixels, notes = reported(
        with_lut(encoded(make()), struct.pack("<HHH", 4096, 0, 16), table.tobytes())
    )
    np.testing.assert_allclose(pixels, table[RAMP] / 255, atol=1e-6)
    assert any("read as 8 bits" in note for note in notes)


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_entries_in_the_other_byte_order(bits: int) -> None:
    table = curve(bits)
    raw = table.byteswap().tobytes()
    pixels, notes = reported(with_lut(encoded(make()), struct.pack("<HHH", 4096, 0, bits), raw))
    np.testing.assert_allclose(pixels, table[RAMP] / (2**bits - 1), atol=1e-6)
    assert len(notes) == 1 and "other byte order" in notes[0]


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("vr", ["US", "OW"])
@pytest.mark.parametrize("undefined", [False, True])
def test_luts_of_other_encodings(syntax: Any, vr: str, undefined: bool) -> None:
    big = syntax == ExplicitVRBigEndian
    table = curve(16)
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 0, 16])
    stored = table.byteswap() if big else table
    item.add_new("LUTData", vr, table.tolist() if vr == "US" else stored.tobytes())
    image = make(RAMP.byteswap() if big else RAMP, VOILUTSequence=[item])
    image["VOILUTSequence"].is_undefined_length = undefined
    image.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    pydicom.dcmwrite(
        buffer, image, implicit_vr=not big, little_endian=not big, enforce_file_format=True
    )
    result = read_radiograph(buffer.getvalue()).pixels
    np.testing.assert_allclose(result, table[RAMP] / 65535, atol=1e-6)


@pytest.mark.parametrize(
    ("descriptor", "raw", "reason"),
    [
        (
            struct.pack("<HHH", 4096, 0, 16),
            curve(16)[:4095].tobytes(),
            "4095 entries, expected 4096",
        ),
        (struct.pack("<HHH", 4096, 0, 16), curve(16)[:100].tobytes(), "100 entries, expected 4096"),
        (struct.pack("<HHH", 0, 0, 12), curve(12).tobytes(), "4096 entries, expected 65536"),
        (struct.pack("<H", 4096), curve(16).tobytes(), "Descriptor or LUT Data is missing"),
        (b"", curve(16).tobytes(), "Descriptor or LUT Data is missing"),
        (struct.pack("<HHH", 4096, 0, 16), b"", "Descriptor or LUT Data is missing"),
        (struct.pack("<HHH", 4096, 0, 16), bytes(8192), "makes all greys of this image equal"),
    ],
)
@pytest.mark.parametrize("window", [False, True])
def test_an_unusable_lut_gives_way_to_the_window_and_that_to_the_whole_range(
    descriptor: bytes, raw: bytes, reason: str, window: bool
) -> None:
    image = make(WindowCenter=1000, WindowWidth=700) if window else make()
    pixels, notes = reported(with_lut(encoded(image), descriptor, raw))
    expected = apply_window(RAMP, 1000, 700) if window else RAMP / 4095
    np.testing.assert_allclose(pixels, expected, atol=1e-6)
    assert any(reason in note for note in notes)


def test_the_second_lut_of_a_sequence_takes_the_place_of_an_unusable_first() -> None:
    table = curve(12)
    short = lut_item(0, 12, table[:9])
    short.LUTDescriptor = [4096, 0, 12]
    pixels, notes = reported(encoded(make(VOILUTSequence=[short, lut_item(0, 12, table)])))
    np.testing.assert_allclose(pixels, table[RAMP] / 4095, atol=1e-6)
    assert len(notes) == 1 and "VOI LUT 1 is not used" in notes[0]


@pytest.mark.parametrize("first", [-2048, 63488])
def test_a_modality_lut_over_signed_values(first: int) -> None:
    item = Dataset()
    item.add_new("LUTDescriptor", "US" if first > 0 else "SS", [4096, first, 16])
    item.add_new("LUTData", "OW", curve(16).tobytes())
    image = make(SIGNED, PixelRepresentation=1, ModalityLUTSequence=[item])
    image.WindowCenter, image.WindowWidth = 32768, 65536
    np.testing.assert_allclose(
        read_radiograph(encoded(image)).pixels, curve(16)[RAMP] / 65535, atol=1e-6
    )


def test_an_unusable_modality_lut_gives_way_to_the_rescale() -> None:
    short = lut_item(0, 12, curve(12)[:9])
    short.LUTDescriptor = [4096, 0, 12]
    image = make(ModalityLUTSequence=[short], RescaleSlope=2, RescaleIntercept=1)
    pixels, notes = reported(encoded(image))
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)
    assert len(notes) == 1 and "the Modality LUT is not used" in notes[0]


def test_a_sequence_as_un_is_implicit_inside() -> None:
    """PS3.5 6.2.2, note 5: what a PACS does to a sequence that it does not know."""
    table = curve(16)

    def implicit(tag: int, value: bytes) -> bytes:
        return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value

    inside = implicit(0x00283002, struct.pack("<HHH", 4096, 0, 16))
    inside += implicit(0x00283006, table.tobytes())
    item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(inside)) + inside
    result = read_radiograph(with_raw(encoded(make()), VOI, "UN", item))
    np.testing.assert_allclose(result.pixels, table[RAMP] / 65535, atol=1e-6)


def test_a_lut_without_data_is_an_error_of_its_own() -> None:
    with pytest.raises(DicomError, match="missing or unreadable"):
        read_lut(Dataset(), (0, 1), no_warning)


@pytest.mark.parametrize(
    ("centre", "width", "function", "reason"),
    [
        ([0, 1000], [0, 700], None, "window 1 is not used: width 0"),
        ([5, 1000], [-3, 700], None, "window 1 is not used: width -3"),
        (["", 1000], [9, 700], None, "window 1 is not used: its centre or its width"),
        ([1e6, 1000], [10, 700], None, "window 1 makes all greys of this image equal: window 2"),
        ([-9e5, 1000], [10, 700], "SIGMOID\\LINEAR", "window 1 makes all greys"),
        ([1000], [700], "CUBIC", "VOI LUT function 'CUBIC'"),
        ([1000, 2000], [700], None, ""),
        ([1000, 2000], [700, 100], "LINEAR\\SIGMOID", ""),
        ([1000, 2000], [700, 100], " linear ", ""),
    ],
)
def test_the_first_usable_window(
    centre: list[Any], width: list[Any], function: str | None, reason: str
) -> None:
    data = with_raw(encoded(make()), 0x00281050, "LO", "\\".join(str(c) for c in centre).encode())
    data = with_raw(data, 0x00281051, "LO", "\\".join(str(w) for w in width).encode())
    if function:
        data = with_raw(data, 0x00281056, "CS", function.encode())
    pixels, notes = reported(data)
    np.testing.assert_allclose(pixels, apply_window(RAMP, 1000, 700), atol=1e-6)
    assert [reason in note for note in notes] == [True] * bool(reason)


def test_an_image_of_one_grey_keeps_its_window_without_a_word_about_it() -> None:
    image = make(np.full((64, 64), 1000, np.uint16), WindowCenter=1000, WindowWidth=700)
    pixels, notes = reported(encoded(image))
    np.testing.assert_allclose(pixels, apply_window([1000.0], 1000, 700)[0], atol=1e-6)
    assert all("all pixels are equal" in note for note in notes)


def test_entries_and_first_values_of_32_bits() -> None:
    item = lut_item(0, 12, RAMP.reshape(-1))
    item["LUTData"].value = RAMP.astype("<u4").tobytes()
    np.testing.assert_array_equal(read_lut(item, (0, 4095), no_warning).table, RAMP.reshape(-1))
    item.add_new("LUTDescriptor", "UL", [4096, 2**32 - 2048, 12])
    assert read_lut(item, (-2048, 2047), no_warning).first == -2048


def test_a_modality_lut_of_one_value_is_not_applied() -> None:
    dataset = make()
    dataset.ModalityLUTSequence = [lut_item(0, 12, np.full(4096, 7))]
    pixels, notes = reported(encoded(dataset))
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)
    assert any("Modality LUT would make all greys equal" in n for n in notes)
