"""Transfer syntaxes, and decoders that fail."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import RAMP, encoded, in_syntax, make
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from ulna.dicom import decoder_process
from ulna.errors import DicomError, ImageWarning
from ulna.imaging import read_radiograph


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless, JPEG2000Lossless,
     JPEGLSLossless, JPEGLosslessSV1, ExplicitVRBigEndian],
)  # fmt: skip
def test_transfer_syntaxes_give_the_same_pixels(syntax: pydicom.uid.UID, tmp_path: Path) -> None:
    data = in_syntax(syntax, tmp_path)
    assert pydicom.dcmread(io.BytesIO(data)).file_meta.TransferSyntaxUID == syntax
    np.testing.assert_allclose(read_radiograph(data).pixels, RAMP / 4095, atol=1e-6)


def test_stream_that_makes_a_decoder_abort_is_an_error(tmp_path: Path) -> None:
    """Damage at random places of a lossless JPEG stream: gdcm aborts on some of them."""
    data = in_syntax(JPEGLosslessSV1, tmp_path)
    start = data.index(b"\xff\xd8\xff")
    for seed in range(4):
        damaged = bytearray(data)
        for place in np.random.default_rng(seed).integers(start + 2, start + 120, 12):
            damaged[place] ^= 0x55
        with pytest.raises(DicomError, match="image: pixel data in JPEG Lossless"):
            read_radiograph(bytes(damaged), "image")


def test_decoder_that_never_ends_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = in_syntax(JPEGLosslessSV1, tmp_path)
    monkeypatch.setattr(decoder_process, "SECONDS", 0.01)
    with pytest.raises(DicomError, match="its JPEG decoder was stopped after 0.01 s"):
        read_radiograph(data)


def test_jpeg_baseline() -> None:
    grey = np.linspace(0, 255, 64 * 64).reshape(64, 64).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=98)
    dataset = make(grey, BitsStored=8)
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PixelData = encapsulate([buffer.getvalue()])
    dataset["PixelData"].is_undefined_length = True
    np.testing.assert_allclose(read_radiograph(encoded(dataset)).pixels, grey / 255, atol=0.02)


def test_first_frame_of_several_with_a_warning() -> None:
    frames = np.stack([RAMP, RAMP[::-1], RAMP])
    with pytest.warns(ImageWarning, match="3 frames: only the first"):
        result = read_radiograph(encoded(make(frames, NumberOfFrames=3)))
    np.testing.assert_allclose(result.pixels, RAMP / 4095, atol=1e-6)
