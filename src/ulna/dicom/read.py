"""Read a DICOM file as a `Radiograph`."""

from __future__ import annotations

import warnings

from pydicom.dataelem import DataElement

from ulna.dicom.decode import decode_first_frame
from ulna.dicom.file_parser import ParsedFile, parse
from ulna.dicom.grey import grey_levels
from ulna.dicom.header import check_radiograph, header_of
from ulna.dicom.not_applied import warn_of_non_square_pixels, warn_of_shutter
from ulna.dicom.pixel_module import Warn, pixel_module
from ulna.errors import DicomError, ImageWarning
from ulna.types import Array, Radiograph


def read_dicom(data: bytes, name: str) -> Radiograph:
    """Read the radiograph in a DICOM file's bytes; `name` is the file's name in messages.

    Supported are CR, DX and RG, MONOCHROME1 and 2, Bits Stored 1 to 16, signed or not, and the
    transfer syntaxes `ulna.dicom.decode.SYNTAXES` (lossless JPEG, 12-bit JPEG, JPEG-LS and JPEG XL
    need the extra ulna[dicom]). Modality LUT, VOI and polarity are applied in the standard's order
    (PS3.3 C.11.1, C.11.2, C.7.6.3.1.2). Warns with ImageWarning if something is repaired, ignored
    or not applied: frames after the first, unusable LUTs and windows, a shutter, non-square pixels.
    Raises DicomError for anything else: no pixel data, FOR PROCESSING, colour, another modality,
    damage, a missing decoder, too few or too many pixels.
    """
    parsed = parse(data, name)
    check_radiograph(parsed, name)
    header = header_of(parsed.dataset, name)

    def warn(message: str) -> None:
        warnings.warn(f"{name}: {message}", ImageWarning, 4)

    for note in parsed.notes:
        warn(note)
    try:
        pixels = _grey(parsed, name, warn)
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


def _grey(parsed: ParsedFile, name: str, warn: Warn) -> Array:
    module = pixel_module(parsed.dataset, warn)
    warn_of_non_square_pixels(parsed.dataset, warn)
    warn_of_shutter(parsed.dataset, module, warn)
    pixels, signed = decode_first_frame(parsed, module, warn)
    # The grey-scale pipeline uses the values that were inferred or decoded.
    parsed.dataset.add(DataElement("BitsStored", "US", module.stored))
    parsed.dataset.add(DataElement("PixelRepresentation", "US", int(signed)))
    return grey_levels(pixels, parsed.dataset, name)
