"""Frames that lie or end otherwise than their transfer syntax says."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from compressed_images import frame_of, image
from dicom_files import RAMP, make, reported
from pydicom.encaps import generate_frames
from pydicom.uid import RLELossless

from ulna.errors import DicomError
from ulna.imaging import read_radiograph


def _rle() -> bytes:
    dataset = make(RAMP)
    dataset.compress(RLELossless)
    return bytes(next(generate_frames(dataset.PixelData, number_of_frames=1)))


@pytest.mark.parametrize("message", ["5", "1.98", "8.1", "4.70", "4.90"])
@pytest.mark.parametrize("kind", ["RLE", "JPEG", "JPEG-LS"])
def test_frames_of_one_syntax_under_another(message: str, kind: str) -> None:
    """Sibling of fo-dicom#2008: routers rewrite group 0002 and not the frames."""
    own = {"RLE": _rle, "JPEG": lambda: frame_of("4.70", RAMP)}
    frame = own.get(kind, lambda: frame_of("4.80", RAMP))()
    pixels, notes = reported(image([frame], f"1.2.840.10008.1.2.{message}"))
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)
    right = (kind, message) in (("RLE", "5"), ("JPEG", "4.70"))
    assert bool(notes) is not right


@pytest.mark.parametrize("syntax", ["5", "8.1", "1.98"])
def test_one_frame_in_several_fragments_where_one_is_expected(syntax: str) -> None:
    frame = _rle() if syntax == "5" else frame_of(syntax, RAMP)
    parts = [frame[:1000], frame[1000:2000], frame[2000:]]
    pixels, _ = reported(image(parts, f"1.2.840.10008.1.2.{syntax}"))
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)


def test_a_deflated_frame_with_the_head_of_zlib() -> None:
    pixels, _ = reported(image([zlib.compress(RAMP.tobytes())], "1.2.840.10008.1.2.8.1"))
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)


def test_a_frame_without_an_offset_table_before_it() -> None:
    data = image([frame_of("4.70", RAMP)], "1.2.840.10008.1.2.4.70")
    table = b"\xfe\xff\x00\xe0" + struct.pack("<II", 4, 0)
    assert data.count(table) == 1
    pixels, _ = reported(data.replace(table, b""))
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)


@pytest.mark.parametrize("syntax", ["4.80", "4.90"])
def test_an_end_marker_alone_that_is_missing_is_told(syntax: str) -> None:
    """As for JPEG; a frame that lacks more is refused."""
    values = [RAMP, np.where(RAMP == 5, 6, RAMP).astype(np.uint16), (RAMP ^ 1).astype(np.uint16)]
    for value in values:  # odd and even lengths
        frame = frame_of(syntax, value)
        assert frame.endswith(b"\xff\xd9")
        pixels, (note,) = reported(image([frame[:-2]], f"1.2.840.10008.1.2.{syntax}"))
        np.testing.assert_allclose(pixels, value / 4095, atol=1e-6)
        assert "no end marker" in note
        with pytest.raises(DicomError):
            read_radiograph(image([frame[:-30]], f"1.2.840.10008.1.2.{syntax}"))
