"""DICOM files, made and real, good and bad."""

from __future__ import annotations

import io
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import encoded, make, ramp12
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from ulna.dicom import decode, guard
from ulna.dicom.read import read_dicom
from ulna.errors import DicomError, ImageError, ImageWarning
from ulna.imaging import read_radiograph
from ulna.types import BodyPart, Laterality

RAMP = ramp12()
REAL = Path("../shared/data/dicom")


def test_header_comes_with_the_pixels(tmp_path: Path) -> None:
    dataset = make(
        ImageLaterality="L",
        Laterality="R",
        ViewPosition="PA",
        ImagerPixelSpacing=[0.2, 0.1],
        PixelSpacing=[9, 9],
    )
    path = tmp_path / "no_ending"
    path.write_bytes(encoded(dataset))
    found = read_radiograph(path)
    assert found.body_part is BodyPart.WRIST and found.laterality is Laterality.LEFT
    assert found.view == "PA" and found.spacing == (0.2, 0.1) and found.source == str(path)
    np.testing.assert_allclose(found.pixels, RAMP / 4095, atol=1e-6)


@pytest.mark.parametrize("part", ["", "KNEE", "WRIST", "THUMB"])
def test_body_parts(part: str) -> None:
    expected = {"WRIST": BodyPart.WRIST, "THUMB": BodyPart.FINGER}.get(part)
    assert read_radiograph(encoded(make(BodyPartExamined=part))).body_part is expected


def test_anatomic_region_sequence() -> None:
    region = Dataset()
    region.CodeValue, region.CodingSchemeDesignator = "16953009", "SCT"
    region.CodeMeaning = "Elbow joint"
    coded = make(AnatomicRegionSequence=[region], BodyPartExamined="")
    assert read_radiograph(encoded(coded)).body_part is BodyPart.ELBOW
    with pytest.warns(ImageWarning, match="Body Part Examined says WRIST"):
        both = read_radiograph(encoded(make(AnatomicRegionSequence=[region])))
    assert both.body_part is BodyPart.WRIST


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless, JPEG2000Lossless,
     JPEGLSLossless, JPEGLosslessSV1, ExplicitVRBigEndian],
)  # fmt: skip
def test_transfer_syntaxes_give_the_same_pixels(syntax: pydicom.uid.UID, tmp_path: Path) -> None:
    data = _in_syntax(syntax, tmp_path)
    assert pydicom.dcmread(io.BytesIO(data)).file_meta.TransferSyntaxUID == syntax
    np.testing.assert_allclose(read_radiograph(data).pixels, RAMP / 4095, atol=1e-6)


def _in_syntax(syntax: pydicom.uid.UID, folder: Path) -> bytes:
    if syntax in (JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless):
        return _with_gdcm(syntax, folder)
    dataset = make(RAMP.byteswap() if syntax == ExplicitVRBigEndian else RAMP)
    if syntax.is_compressed and syntax != DeflatedExplicitVRLittleEndian:
        dataset.compress(syntax)
        return encoded(dataset)
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    pydicom.dcmwrite(
        buffer,
        dataset,
        implicit_vr=syntax.is_implicit_VR,
        little_endian=syntax.is_little_endian,
        enforce_file_format=True,
    )
    return buffer.getvalue()


def _with_gdcm(syntax: pydicom.uid.UID, folder: Path) -> bytes:
    """File to file: gdcm's objects in memory do not keep each other alive."""
    gdcm = pytest.importorskip("gdcm", reason="python-gdcm is not installed")
    kinds = {
        JPEGLosslessSV1: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
        JPEGLSLossless: gdcm.TransferSyntax.JPEGLSLossless,
        JPEG2000Lossless: gdcm.TransferSyntax.JPEG2000Lossless,
    }
    (folder / "plain").write_bytes(encoded(make()))
    reader = gdcm.ImageReader()
    reader.SetFileName(str(folder / "plain"))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(kinds[syntax]))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(folder / "compressed"))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return (folder / "compressed").read_bytes()


def test_stream_that_makes_a_decoder_abort_is_an_error(tmp_path: Path) -> None:
    """Damage at random places of a lossless JPEG stream: gdcm aborts on some of them."""
    data = _in_syntax(JPEGLosslessSV1, tmp_path)
    start = data.index(b"\xff\xd8\xff")
    for seed in range(4):
        damaged = bytearray(data)
        for place in np.random.default_rng(seed).integers(start + 2, start + 120, 12):
            damaged[place] ^= 0x55
        with pytest.raises(DicomError, match="film: pixel data in JPEG Lossless"):
            read_radiograph(bytes(damaged), "film")


def test_decoder_that_never_ends_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _in_syntax(JPEGLosslessSV1, tmp_path)
    monkeypatch.setattr(decode, "CHILD_SECONDS", 0.01)
    with pytest.raises(DicomError, match="timed out"):
        read_radiograph(data)


def test_jpeg_baseline() -> None:
    from PIL import Image

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
        found = read_radiograph(encoded(make(frames, NumberOfFrames=3)))
    np.testing.assert_allclose(found.pixels, RAMP / 4095, atol=1e-6)


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("meta", [False, True])
def test_without_preamble(implicit: bool, meta: bool, tmp_path: Path) -> None:
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    whole = _in_syntax(syntax, tmp_path)
    start = 132 if meta else 144 + int.from_bytes(whole[140:144], "little")
    np.testing.assert_allclose(read_radiograph(whole[start:]).pixels, RAMP / 4095, atol=1e-6)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"PresentationIntentType": "FOR PROCESSING"}, "FOR PROCESSING.*FOR PRESENTATION"),
        ({"Modality": "CT"}, "modality 'CT': expected a radiograph"),
        ({"PhotometricInterpretation": "RGB"}, "expected MONOCHROME1 or 2"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "expected MONOCHROME1 or 2"),
        ({"SamplesPerPixel": 3}, "3 samples per pixel"),
        ({"Rows": 20000, "Columns": 20000}, "20000 x 20000 px: .*at most 64000000"),
        ({"Rows": 1, "Columns": 1}, "1 x 1 px: expected at least 16"),
        ({"BitsStored": 17}, "17 bits in 16"),
        ({"Rows": 65}, "cannot be decoded"),
        ({"WindowCenter": 5, "WindowWidth": 0}, "window width 0"),
        ({"WindowCenter": 5, "WindowWidth": 9, "VOILUTFunction": "ODD"}, "VOI LUT function 'ODD'"),
    ],
)
def test_what_is_no_radiograph_is_refused_with_the_reason(
    attributes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DicomError, match=f"film: .*{message}"):
        read_radiograph(encoded(make(**attributes)), "film")


def test_no_pixel_data_and_no_description() -> None:
    dataset = make()
    del dataset.PixelData
    with pytest.raises(DicomError, match="no pixel data"):
        read_radiograph(encoded(dataset))
    dataset = make()
    del dataset.Rows
    with pytest.raises(DicomError, match="incomplete image description"):
        read_radiograph(encoded(dataset))


def test_other_and_missing_modality_are_warnings() -> None:
    with pytest.warns(ImageWarning, match="modality 'OT'"):
        read_radiograph(encoded(make(Modality="OT")))
    with pytest.warns(ImageWarning, match="modality ''"):
        read_radiograph(encoded(make(Modality="")))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("compressed", [False, True])
def test_cut_short(share: float, compressed: bool) -> None:
    dataset = make()
    if compressed:
        dataset.compress(RLELossless)
    data = encoded(dataset)
    with pytest.raises(DicomError, match="film"):
        read_radiograph(data[: int(len(data) * share)], "film")


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("depth", [70, 500, 3000])
def test_deep_nesting_is_refused(depth: int, undefined: bool) -> None:
    with pytest.raises(DicomError, match=r"film: (sequences nest|damaged)"):
        read_radiograph(_nested(depth, undefined), "film")


def _nested(depth: int, undefined: bool) -> bytes:
    """A data set with `depth` sequences in one another, written by hand."""
    tag, item = b"\x08\x00\x40\x11", b"\xfe\xff\x00\xe0"
    inner = b""
    for _ in range(depth):
        if undefined:
            end = b"\xfe\xff\x0d\xe0" + bytes(4) + b"\xfe\xff\xdd\xe0" + bytes(4)
            inner = tag + b"SQ\0\0" + b"\xff" * 4 + item + b"\xff" * 4 + inner + end
        else:
            body = item + len(inner).to_bytes(4, "little") + inner
            inner = tag + b"SQ\0\0" + len(body).to_bytes(4, "little") + body
    head = encoded(make())
    start = 144 + int.from_bytes(head[140:144], "little")
    return head[:start] + inner + head[start:]


def test_moderate_nesting_is_fine() -> None:
    np.testing.assert_allclose(read_radiograph(_nested(20, True)).pixels, RAMP / 4095, atol=1e-6)


def test_deflate_bomb_is_refused_without_inflating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MAX_INFLATED", 2**22)
    dataset = make()
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    head = encoded(dataset)
    start = 144 + int.from_bytes(head[140:144], "little")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(bytes(2**24)) + deflate.flush()
    with pytest.raises(DicomError, match="inflates to more than"):
        read_radiograph(head[:start] + body)
    with pytest.raises(DicomError, match="damaged"):
        read_radiograph(head[:start] + b"\xff\xff\xff")


def test_magic_and_nothing_else() -> None:
    for rest in (b"", b"\x02\x00", bytes(100)):
        with pytest.raises(DicomError):
            read_radiograph(bytes(128) + b"DICM" + rest)


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
            found = read_radiograph(bytes(content)).pixels
        except ImageError:
            return
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1


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
    found = read_dicom(real(name), name)
    assert found.pixels.shape == shape and found.pixels.std() > 0.05


def test_real_files_agree_with_each_other() -> None:
    lossy = read_dicom(real("pydicom-data_RG3_J2KI.dcm"), "").pixels
    lossless = read_dicom(real("pydicom-data_RG3_J2KR.dcm"), "").pixels
    assert np.abs(lossy - lossless).max() < 0.06
    # The same stored pixels under both polarities: the tag is believed.
    first = read_dicom(real("torchxrayvision_Fake_MONOHR1.dcm"), "").pixels
    second = read_dicom(real("torchxrayvision_chest_cr.dcm"), "").pixels
    np.testing.assert_allclose(first, 1 - second, atol=1e-6)
