"""Read the header of a DICOM radiograph, and check that the object is one."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import pydicom

from ulna.dicom.body_part import BodyPartName, parse_body_part, parse_body_part_codes
from ulna.dicom.file_parser import ParsedFile, parse
from ulna.dicom.values import integer, items, pair
from ulna.dicom.values import text as _text
from ulna.errors import DicomError, ImageWarning
from ulna.types import BodyPart, Laterality

RADIOGRAPHY = ("CR", "DX", "RG")
"""Modalities (0008,0060) of projection radiographs: PS3.3 C.7.3.1.1.1."""


@dataclass(frozen=True)
class Header:
    """Identity and acquisition of one DICOM object, from which a `Study` is built without pixels.

    spacing: (row, column) in mm at the detector, or None. body_part: None if none of MURA's seven.
    other_region: the body part in the header if it is none of MURA's seven, else ''.
    """

    patient_id: str
    study_uid: str
    instance_uid: str
    instance_number: int
    modality: str
    body_part: BodyPart | None
    laterality: Laterality
    view: str
    spacing: tuple[float, float] | None
    other_region: str = ""


def read_header(path: Path) -> Header:
    """Read the header of a DICOM file without decoding its pixels. Raises DicomError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DicomError(f"{path}: cannot be read: {error}") from None
    return header_of(parse(data, str(path)).dataset, str(path))


def header_of(dataset: pydicom.Dataset, name: str) -> Header:
    """Return the header in a parsed data set; unreadable values count as missing."""
    named = _body_part(dataset, name)
    return Header(
        patient_id=_text(dataset, "PatientID"),
        study_uid=_text(dataset, "StudyInstanceUID"),
        instance_uid=_text(dataset, "SOPInstanceUID"),
        instance_number=integer(dataset, "InstanceNumber") or 0,
        modality=_text(dataset, "Modality").upper(),
        body_part=named.part,
        laterality=_laterality(dataset),
        view=_view(dataset),
        spacing=_spacing(dataset),
        other_region=named.other,
    )


def check_radiograph(parsed: ParsedFile, name: str) -> None:
    """Raise DicomError unless the object is a radiograph for presentation.

    A FOR PROCESSING image (DX, PS3.3 C.8.11.1.1.1 Presentation Intent Type) has a vendor-specific
    grey scale, for which the standard defines no display.
    """
    dataset = parsed.dataset
    if parsed.pixels is None:
        raise DicomError(
            f"{name}: holds no pixel data: expected an image, not a report or presentation state, "
            "and a file that is not cut short"
        )
    modality = _text(dataset, "Modality").upper()
    if modality not in (*RADIOGRAPHY, "", "OT"):
        raise DicomError(
            f"{name}: modality {modality!r}: expected a radiograph ({', '.join(RADIOGRAPHY)})"
        )
    if modality not in RADIOGRAPHY:
        warnings.warn(f"{name}: modality {modality!r}: read as a radiograph", ImageWarning, 4)
    if _text(dataset, "PresentationIntentType").upper() == "FOR PROCESSING":
        raise DicomError(
            f"{name}: is a FOR PROCESSING image, whose grey levels are not meant for viewing: "
            "export the FOR PRESENTATION image of the same exposure"
        )


def _body_part(dataset: pydicom.Dataset, name: str) -> BodyPartName:
    """Body Part Examined (0018,0015), else Anatomic Region Sequence (0008,2218)."""
    named = parse_body_part(_text(dataset, "BodyPartExamined").replace("\\", " "))
    regions = items(dataset, "AnatomicRegionSequence")
    coded = parse_body_part_codes(
        [(_text(i, "CodeValue"), _text(i, "CodeMeaning")) for i in regions]
    )
    if named.part and (coded.other_anatomy or coded.part not in (None, named.part)):
        warnings.warn(
            f"{name}: Body Part Examined says {named.part}, Anatomic Region "
            f"{coded.part or coded.other}: the first is used",
            ImageWarning,
            5,
        )
    return named if named.part or named.other_anatomy or (named.other and not coded.part) else coded


def _laterality(dataset: pydicom.Dataset) -> Laterality:
    """Image Laterality (0020,0062) of DX, else Laterality (0020,0060) of CR."""
    text = _text(dataset, "ImageLaterality") or _text(dataset, "Laterality")
    return Laterality(text.upper()) if text.upper() in ("L", "R") else Laterality.UNKNOWN


def _view(dataset: pydicom.Dataset) -> str:
    """View Position (0018,5101), else the Code Meaning of View Code Sequence (0054,0220)."""
    codes = [str(item.get("CodeMeaning", "")) for item in items(dataset, "ViewCodeSequence")]
    return _text(dataset, "ViewPosition") or next(iter(codes), "")


def _spacing(dataset: pydicom.Dataset) -> tuple[float, float] | None:
    """Imager Pixel Spacing (0018,1164), at the detector, else Pixel Spacing (0028,0030)."""
    return pair(dataset, "ImagerPixelSpacing") or pair(dataset, "PixelSpacing")
