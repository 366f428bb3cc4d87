"""A DICOM file -> `Radiograph`."""

from __future__ import annotations

import warnings

import pydicom

from ulna.dicom.decode import decode_first_frame
from ulna.dicom.grey import grey_levels
from ulna.dicom.guard import parse
from ulna.dicom.header import check_radiograph, header_of
from ulna.dicom.limits import MAX_PIXELS, MIN_SIDE
from ulna.errors import DicomError, ImageWarning
from ulna.types import Radiograph


def read_dicom(data: bytes, name: str) -> Radiograph:
    """The radiograph in a DICOM file's bytes; `name` stands for it in messages.

    CR, DX and RG, MONOCHROME1 and 2, Bits Stored 8 to 16, signed or not, every transfer
    syntax that pydicom has a decoder for. Modality LUT, VOI and polarity in the standard's
    order (PS3.3 C.11.1, C.11.2, C.7.6.3.1.2). Of several frames the first is read, with an
    ImageWarning. Raises DicomError for anything else: no pixel data, FOR PROCESSING, colour,
    another modality, damage, missing decoder, too few or too many pixels.
    """
    dataset = parse(data, name, pixels=True)
    check_radiograph(dataset, name)
    header = header_of(dataset, name)
    _check_pixel_module(dataset, name)
    pixels = decode_first_frame(dataset, data, name)
    try:
        grey = grey_levels(pixels, dataset, name)
    except DicomError as error:
        raise DicomError(f"{name}: {error}") from None
    except ImageWarning:
        raise
    except Exception as error:  # LUTs and windows of damaged files raise anything
        raise DicomError(f"{name}: damaged grey scale ({type(error).__name__}: {error})") from None
    return Radiograph(
        pixels=grey,
        source=name,
        view=header.view,
        laterality=header.laterality,
        spacing=header.spacing,
        body_part=header.body_part,
        other_region=header.other_region,
    )


def _check_pixel_module(dataset: pydicom.Dataset, name: str) -> None:
    """Image Pixel Module, PS3.3 C.7.6.3, before a decoder allocates what the header promises."""
    try:
        rows, columns = int(dataset.Rows), int(dataset.Columns)
        bits, allocated = int(dataset.BitsStored), int(dataset.BitsAllocated)
        samples = int(dataset.get("SamplesPerPixel", 1))
        photometric = str(dataset.PhotometricInterpretation).strip()
        frames = int(dataset.get("NumberOfFrames", 1) or 1)
        high = bits - 1 if (stated := dataset.get("HighBit")) is None else int(stated)
    except Exception as error:
        raise DicomError(f"{name}: incomplete image description ({error})") from None
    if min(rows, columns) < MIN_SIDE or rows * columns > MAX_PIXELS:
        raise DicomError(
            f"{name}: {columns} x {rows} px: expected at least {MIN_SIDE} px on each side "
            f"and at most {MAX_PIXELS} px"
        )
    if samples != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise DicomError(
            f"{name}: {photometric} with {samples} samples per pixel: expected MONOCHROME1 or 2"
        )
    if not (1 <= bits <= allocated and allocated in (8, 16)):
        raise DicomError(f"{name}: {bits} bits in {allocated}: expected 8 to 16 bits in 8 or 16")
    if high != bits - 1:
        raise DicomError(
            f"{name}: High Bit {high} with {bits} bits stored: expected {bits - 1} (PS3.5 8.1.1); "
            "which bits hold the greys cannot be known: export the object again"
        )
    _tell_of_more_pixels(dataset, name, rows * columns * frames * allocated // 8)
    if frames > 1:
        warnings.warn(f"{name}: {frames} frames: only the first is read", ImageWarning, 4)


def _tell_of_more_pixels(dataset: pydicom.Dataset, name: str, expected: int) -> None:
    """ImageWarning for uncompressed pixel data longer than described (one byte pads: PS3.5 8.1.1).

    Where Columns is what is wrong, the picture is sheared.
    """
    try:
        encapsulated = dataset.file_meta.TransferSyntaxUID.is_encapsulated
        length = len(dataset.PixelData or b"")
    except Exception:  # what is no transfer syntax or no bytes: decoding says so
        return
    if not encapsulated and length > expected + expected % 2:
        warnings.warn(
            f"{name}: {length} bytes of pixel data, but its rows, columns and frames need "
            f"{expected}: the rest is ignored; if the picture is sheared, its Columns are wrong",
            ImageWarning,
            5,
        )
