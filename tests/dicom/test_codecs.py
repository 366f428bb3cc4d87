"""Compressed frames: every syntax in docs/data.md, and headers that disagree.

Encoders: imagecodecs and Pillow; for lossless JPEG, JPEG-LS and JPEG 2000 also gdcm, which has
another decoder in it (`test_decode.py`).
"""

from __future__ import annotations

import re
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from compressed_images import (
    J2K,
    JPEG_8,
    JPEG_12,
    JPEG_LOSSLESS,
    JPEG_LS,
    JXL,
    frame_of,
    image,
    imagecodecs,
    jpeg,
    jpeg_2000,
)
from dicom_files import RAMP, encoded, make, reported
from pydicom.encaps import encapsulate
from pydicom.uid import UID, JPEG2000Lossless, RLELossless

from ulna.dicom import decode, decoder_process
from ulna.dicom.decode import SYNTAXES
from ulna.errors import DicomError
from ulna.imaging import read_radiograph

DOCS = Path("docs/data.md")
WITH_FRAMES = [
    s for s in SYNTAXES if s not in decode.NATIVE and not s.endswith(("4.50", "2.5", ".111"))
]


@pytest.mark.parametrize("syntax", WITH_FRAMES)
def test_every_syntax_of_the_docs_is_decoded(syntax: str) -> None:
    lossy = syntax.endswith(("4.51", "4.81", "4.91", "4.203"))
    result, notes = reported(image([bytes(frame_of(syntax, RAMP))], syntax))
    np.testing.assert_allclose(result, RAMP / 4095, atol=0.004 if lossy else 1e-6)
    assert not notes


def test_the_three_syntaxes_of_8_bits_or_of_one_fragment_are_decoded() -> None:
    eight = (RAMP >> 4).astype(np.uint8)
    baseline = jpeg(eight, level=100)
    recompressed = bytes(imagecodecs.jpegxl_encode_jpeg(baseline))
    for frame, syntax in ((baseline, JPEG_8), (recompressed, "1.2.840.10008.1.2.4.111")):
        result, notes = reported(image([frame], syntax, BitsStored=8))
        np.testing.assert_allclose(result, eight / 255, atol=0.012)
        assert not notes
    rle = make()
    rle.compress(RLELossless)
    np.testing.assert_allclose(read_radiograph(encoded(rle)).pixels, RAMP / 4095, atol=1e-6)


def test_the_docs_list_the_syntaxes_that_are_read_and_no_others() -> None:
    listed = set(re.findall(r"`(1\.2\.840\.10008\.1\.2[\d.]*)`", DOCS.read_text("utf-8")))
    assert listed == set(SYNTAXES)


@pytest.mark.parametrize("syntax", [s for s in SYNTAXES if s not in decode.NATIVE])
def test_without_the_extra_the_error_names_it_where_it_is_needed(
    syntax: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "imagecodecs.py").write_text("raise ImportError")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(decoder_process, "is_installed", lambda: False)
    needs = syntax.endswith(("4.51", "4.57", "4.70", "4.80", "4.81", "4.110", "4.111", "4.112"))
    eight = (RAMP >> 4).astype(np.uint8)
    if syntax.endswith(("4.50", ".111", "2.5")):
        return  # baseline and RLE need none; the third has the second's decoder
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = image([bytes(frame_of(syntax, RAMP))], syntax)
        if needs:
            with pytest.raises(
                DicomError, match=r"image: .*needs a decoder: pip install 'ulna\[dicom\]'"
            ):
                read_radiograph(data, "image")
        else:
            assert read_radiograph(data).pixels.shape == (64, 64)
    assert read_radiograph(image([jpeg(eight)], JPEG_8, BitsStored=8)).pixels.max() == 1


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("signed_stream", [False, True])
@pytest.mark.parametrize("signed_header", [0, 1])
@pytest.mark.parametrize("codec", ["jpeg2k", "htj2k"])
def test_sign_and_precision_of_jpeg_2000(
    bits: int, signed_stream: bool, signed_header: int, codec: str
) -> None:
    """pydicom#1149, #2012: the codestream need not say of its sign what the header says."""
    wanted = (RAMP.astype(np.int64) << 4 >> (16 - bits)) - (1 << (bits - 1)) * signed_header
    if signed_stream and not signed_header:
        wanted = wanted >> 1  # no value below 0, so both are right
    narrow = bits == 8
    if signed_stream:
        values = wanted.astype(np.int8 if narrow else np.int16)
    else:
        values = (wanted & ((1 << bits) - 1)).astype(np.uint8 if narrow else np.uint16)
    if codec == "htj2k":
        frame = bytes(imagecodecs.htj2k_encode(values, reversible=True))
    else:
        frame = jpeg_2000(values, bitspersample=bits if not signed_stream else None)
    data = image([frame], J2K, BitsStored=bits, PixelRepresentation=signed_header)
    low = -(1 << (bits - 1)) * signed_header
    np.testing.assert_allclose(
        read_radiograph(data).pixels, (wanted - low) / ((1 << bits) - 1), atol=1e-6
    )


def test_values_below_0_in_a_stream_whose_header_says_unsigned_are_told() -> None:
    frame = jpeg_2000(RAMP.astype(np.int16) - 2048)
    pixels, notes = reported(image([frame], J2K, BitsStored=12, PixelRepresentation=0))
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)
    assert len(notes) == 1 and "read as signed" in notes[0]


@pytest.mark.parametrize(("bits", "predictor"), [(8, 1), (10, 4), (12, 1), (14, 7), (16, 6)])
@pytest.mark.parametrize("signed", [0, 1])
def test_lossless_jpeg(bits: int, predictor: int, signed: int) -> None:
    wanted = RAMP.astype(np.int64) << 4 >> (16 - bits)
    low = (1 << (bits - 1)) * signed
    values = ((wanted - low) & ((1 << bits) - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    frame = jpeg(values, lossless=True, predictor=predictor, bitspersample=bits)
    data = image([frame], JPEG_LOSSLESS, BitsStored=bits, PixelRepresentation=signed)
    np.testing.assert_allclose(read_radiograph(data).pixels, wanted / ((1 << bits) - 1), atol=1e-6)


@pytest.mark.parametrize("syntax", [JPEG_8, JPEG_12, JPEG_LOSSLESS, JPEG_LS, J2K, JXL])
def test_8_bit_frames_in_16_bits_allocated(syntax: str) -> None:
    """fo-dicom#1992, pydicom#2010."""
    eight = (RAMP >> 4).astype(np.uint8)
    frame = {
        JPEG_8: lambda: jpeg(eight, level=100),
        JPEG_12: lambda: jpeg(eight, level=100),
        JPEG_LOSSLESS: lambda: jpeg(eight, lossless=True),
        JPEG_LS: lambda: imagecodecs.jpegls_encode(eight),
        J2K: lambda: jpeg_2000(eight),
        JXL: lambda: imagecodecs.jpegxl_encode(eight, lossless=True),
    }[syntax]()
    result, notes = reported(image([bytes(frame)], syntax, BitsStored=8))
    np.testing.assert_allclose(
        result, eight / 255, atol=0.012 if syntax in (JPEG_8, JPEG_12) else 1e-6
    )
    assert not notes


def test_8_bit_pixels_in_16_bits_allocated_and_not_compressed() -> None:
    eight = (RAMP >> 4).astype(np.uint8)
    pixels, notes = reported(encoded(make(eight, BitsStored=8, BitsAllocated=16)))
    np.testing.assert_allclose(pixels, eight / 255, atol=1e-6)
    assert len(notes) == 1 and "have 8 a pixel" in notes[0]


@pytest.mark.parametrize("pieces", [2, 3, 7])
@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("table", [False, True])
def test_a_frame_in_several_fragments(pieces: int, frames: int, table: bool) -> None:
    """PS3.5 A.4: only the Basic Offset Table says where a frame ends, and it may be empty."""
    first, second = jpeg_2000(RAMP), jpeg_2000(RAMP[::-1].copy())
    dataset = make(RAMP, NumberOfFrames=frames)
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.PixelData = encapsulate(
        [first, second][:frames], fragments_per_frame=pieces, has_bot=table
    )
    dataset["PixelData"].is_undefined_length = True
    pixels, notes = reported(encoded(dataset))
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)
    assert len(notes) == frames - 1


@pytest.mark.parametrize(
    ("syntax", "frame", "note"),
    [
        (JPEG_LOSSLESS, jpeg_2000(RAMP), "its frame is JPEG 2000"),
        (J2K, bytes(imagecodecs.jpegls_encode(RAMP)), "its frame is JPEG-LS"),
        (JXL, jpeg(RAMP, lossless=True, bitspersample=16), "its frame is JPEG"),
        (JPEG_LS, RAMP.tobytes(), "its frame is not compressed"),
        ("1.2.840.10008.1.2.1", jpeg_2000(RAMP), "its frame is JPEG 2000"),
        ("1.2.840.10008.1.2.1", RAMP.tobytes(), "its frame is not compressed"),
    ],
)
def test_the_frame_is_believed_before_its_transfer_syntax(
    syntax: str, frame: bytes, note: str
) -> None:
    pixels, notes = reported(image([frame], syntax))
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)
    assert len(notes) == 1 and note in notes[0]


def test_pixel_data_without_fragments_under_a_compressed_syntax() -> None:
    data = encoded(make())
    at = data.index(b"1.2.840.10008.1.2.1\0")
    head = data[:140] + (int.from_bytes(data[140:144], "little") + 2).to_bytes(4, "little")
    compressed = head + data[144 : at - 2] + b"\x16\0" + J2K.encode() + data[at + 20 :]
    pixels, notes = reported(compressed)
    np.testing.assert_allclose(pixels, RAMP / 4095, atol=1e-6)
    assert len(notes) == 1 and "not compressed" in notes[0]


@pytest.mark.parametrize("syntax", WITH_FRAMES)
@pytest.mark.parametrize("cut", [4, 0.5])
def test_a_frame_that_is_cut_short_is_an_error(syntax: str, cut: float) -> None:
    """libjpeg makes up what is missing, in silence: its result is not believed."""
    noisy = np.random.default_rng(0).integers(0, 4096, (64, 64)).astype(np.uint16)
    frame = bytes(frame_of(syntax, noisy))
    frame = frame[:-4] if cut == 4 else frame[: len(frame) // 2]
    with pytest.raises(DicomError, match="image: pixel data in .* cannot be decoded"):
        read_radiograph(image([frame + b"\xff\xd9"], syntax), "image")


@pytest.mark.parametrize("lossless", [False, True])
def test_a_jpeg_that_lacks_its_end_marker_alone_is_read_and_told(lossless: bool) -> None:
    eight = (RAMP >> 4).astype(np.uint8)
    frame = jpeg(eight, lossless=lossless, **({} if lossless else {"level": 100}))
    assert frame.endswith(b"\xff\xd9")
    pixels, notes = reported(image([frame[:-2]], JPEG_8, BitsStored=8))
    np.testing.assert_allclose(pixels, eight / 255, atol=0.012)
    assert len(notes) == 1 and "no end marker" in notes[0]


@pytest.mark.parametrize("syntax", [JPEG_LOSSLESS, JPEG_LS, J2K, JXL])
def test_a_frame_of_another_size_is_refused_before_it_is_decoded(
    syntax: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "_samples", None)  # a decoder would be a TypeError
    frame = bytes(frame_of(syntax, np.zeros((80, 48), np.uint16)))
    with pytest.raises(DicomError, match="48 x 80 px, where the header says 64 x 64"):
        read_radiograph(image([frame], syntax))


@pytest.mark.parametrize("size", [(64, 64), (61, 40), (200, 160), (90, 160), (256, 384), (8, 1000)])
@pytest.mark.parametrize("container", [False, True])
def test_size_of_jpeg_xl(size: tuple[int, int], container: bool) -> None:
    from ulna.dicom.codestream import identify

    frame = imagecodecs.jpegxl_encode(
        np.zeros(size, np.uint16), lossless=True, usecontainer=container
    )
    stream = identify(bytes(frame))
    assert (stream.rows, stream.columns) == size


def test_colour_in_a_frame_of_a_grey_image_is_refused() -> None:
    colour = np.stack([RAMP >> 4] * 3, axis=-1).astype(np.uint8)
    with pytest.raises(DicomError, match="3 colours"):
        read_radiograph(image([jpeg(colour)], JPEG_8, BitsStored=8))


def test_rle_of_8_bit_pixels_in_16_bits_allocated() -> None:
    eight = (RAMP >> 4).astype(np.uint8)
    rows = b"".join(b"\x3f" + row.tobytes() for row in eight)
    frame = struct.pack("<16I", 1, 64, *[0] * 14) + rows
    result = read_radiograph(image([frame], "1.2.840.10008.1.2.5", BitsStored=8))
    np.testing.assert_allclose(result.pixels, eight / 255, atol=1e-6)


def test_a_lossy_white_that_overshoots_stays_white() -> None:
    """Precision 16 over 12 bits stored: 4097 would be the black 1 when its bits are masked."""
    white = np.where(np.arange(64)[:, None] < 32, 4095 * np.ones((64, 64)), RAMP).astype(np.uint16)
    frame = jpeg_2000(white, level=60, reversible=False)
    assert imagecodecs.jpeg2k_decode(frame).max() > 4095
    result, notes = reported(image([frame], "1.2.840.10008.1.2.4.91"))
    assert result[:24].min() > 0.9 and not notes


def test_a_private_syntax_is_named_and_refused() -> None:
    with pytest.raises(DicomError, match=r"syntax '1\.2\.3\.4' cannot be decoded"):
        read_radiograph(image([b"\1\2\3\4" * 9], "1.2.3.4"))


def test_names_of_syntaxes_that_pydicom_does_not_know() -> None:
    assert decode.syntax_name(UID(JXL)) == f"JPEG XL ({JXL})"
