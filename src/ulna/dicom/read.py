"""A DICOM file -> `Radiograph`."""

from __future__ import annotations

import warnings

from pydicom.dataelem import DataElement

from ulna.dicom.decode import decode_first_frame
from ulna.dicom.file_parser import ParsedFile, parse
from ulna.dicom.grey import grey_levels
from ulna.dicom.header import check_radiograph, header_of
from ulna.dicom.not_applied import tell_of_shape, tell_of_shutter
from ulna.dicom.pixel_module import Tell, pixel_module
from ulna.errors import DicomError, ImageWarning
from ulna.types import Array, Radiograph


def read_dicom(data: bytes, name: str) -> Radiograph:
    """The radiograph in a DICOM file's bytes; `name` stands for it in messages.

    CR, DX and RG, MONOCHROME1 and 2, Bits Stored 1 to 16, signed or not, the transfer syntaxes
    of `ulna.dicom.decode.SYNTAXES` (lossless JPEG, 12-bit JPEG, JPEG-LS and JPEG XL need the
    extra ulna[dicom]). Modality LUT, VOI and polarity in the standard's order (PS3.3 C.11.1,
    C.11.2, C.7.6.3.1.2). ImageWarning for what is repaired, ignored or not applied: frames after
    the first, unusable LUTs and windows, a shutter, pixels that are not square. Raises
    DicomError for anything else: no pixel data, FOR PROCESSING, colour, another modality,
    damage, missing decoder, too few or too many pixels.
    """
    parsed = parse(data, name)
    check_radiograph(parsed, name)
    header = header_of(parsed.dataset, name)

    def tell(what: str) -> None:
        warnings.warn(f"{name}: {what}", ImageWarning, 4)

    for note in parsed.notes:
        tell(note)
    try:
        pixels = _grey(parsed, name, tell)
    except DicomError as error:
        raise DicomError(f"{name}: {error}") from None
    return Radiograph(
        pixels=pixels,
        source=name,
        view=header.view,
        laterality=header.laterality,
        spacing=header.spacing,
        body_part=header.body_part,
        other_region=header.other_region,
    )


def _grey(parsed: ParsedFile, name: str, tell: Tell) -> Array:
    module = pixel_module(parsed.dataset, tell)
    tell_of_shape(parsed.dataset, tell)
    tell_of_shutter(parsed.dataset, module, tell)
    pixels, signed = decode_first_frame(parsed, module, tell)
    # What the module settled on is what the greys are made with.
    parsed.dataset.add(DataElement("BitsStored", "US", module.stored))
    parsed.dataset.add(DataElement("PixelRepresentation", "US", int(signed)))
    return grey_levels(pixels, parsed.dataset, name)
