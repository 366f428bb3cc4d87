"""DICOM radiographs made for tests."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    generate_uid,
)

from ulna.dicom.voi import VoiTransform, voi_transforms
from ulna.errors import ImageWarning
from ulna.imaging import read_radiograph

DX = UID("1.2.840.10008.5.1.4.1.1.1.1")


def make(pixels: npt.NDArray[Any] | None = None, **attributes: Any) -> Dataset:
    """A DX object of a wrist, 12 bits in 16 unless `attributes` say otherwise."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = DX
    dataset.SOPClassUID = DX
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = generate_uid()
    dataset.PatientID = "p1"
    dataset.Modality = "DX"
    dataset.BodyPartExamined = "WRIST"
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.SamplesPerPixel = 1
    dataset.BitsStored = 12
    dataset.PixelRepresentation = 0
    values = ramp12() if pixels is None else pixels
    dataset.Rows, dataset.Columns = values.shape[-2:]
    dataset.BitsAllocated = 8 * values.dtype.itemsize
    dataset.PixelData = values.tobytes()
    dataset["PixelData"].VR = "OB" if values.dtype.itemsize == 1 else "OW"
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.HighBit = dataset.BitsStored - 1
    return dataset


def ramp12() -> npt.NDArray[np.uint16]:
    """(64, 64) holding each 12-bit value once."""
    return np.arange(4096, dtype=np.uint16).reshape(64, 64)


def no_warning(message: str) -> None:
    """A callback for calls that should not warn."""
    raise AssertionError(message)


def reported(data: bytes) -> tuple[npt.NDArray[np.float32], list[str]]:
    """The pixels of the file "image", and its ImageWarnings; any other warning fails the test."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pixels = read_radiograph(data, "image").pixels
    assert all(w.category is ImageWarning for w in caught), [str(w.message) for w in caught]
    return pixels, [str(w.message) for w in caught]


def first_transform(dataset: Dataset, limits: tuple[float, float]) -> VoiTransform:
    """The first usable VOI LUT or window."""
    return next(voi_transforms(dataset, limits, lambda message: None))


def encoded(dataset: Dataset) -> bytes:
    """The file's bytes, with preamble."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def data_set_start(data: bytes) -> int:
    """The end of group 0002 in a file with preamble."""
    return 144 + int.from_bytes(data[140:144], "little")


def with_raw(data: bytes, tag: int, vr: str, value: bytes) -> bytes:
    """The file with one more explicit, little-endian element, as the second of its data set.

    So it stands before one of the same tag; pydicom would write no such value.
    """
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + vr.encode()
    if vr in ("OB", "OW", "UN", "UT", "SQ", "UC", "UV", "SV"):
        head += bytes(2) + len(value).to_bytes(4, "little")
    else:
        head += len(value).to_bytes(2, "little")
    start = data_set_start(data)
    start += 8 + int.from_bytes(data[start + 6 : start + 8], "little")  # SOP Class UID
    return data[:start] + head + value + data[start:]


def lut_item(first: int, bits: int, table: npt.ArrayLike) -> Dataset:
    """An item of a Modality or VOI LUT Sequence with 16-bit entries."""
    item = Dataset()
    entries = np.asarray(table)
    item.add_new("LUTDescriptor", "US", [entries.size % 65536, first, bits])
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    return item


RAMP = ramp12()


def in_syntax(syntax: pydicom.uid.UID, folder: Path) -> bytes:
    """The file of `make()` in a transfer syntax; `folder` is for what has to go through files."""
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
