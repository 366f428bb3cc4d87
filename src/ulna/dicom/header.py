"""What a DICOM header says of a radiograph, and whether it may be read as one."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import pydicom

from ulna.dicom.body_part import Named, coded_part, named_part
from ulna.dicom.file_parser import ParsedFile, parse
from ulna.dicom.values import integer, items, pair
from ulna.dicom.values import text as _text
from ulna.errors import DicomError, ImageWarning
from ulna.types import BodyPart, Laterality

RADIOGRAPHY = ("CR", "DX", "RG")
"""Modalities (0008,0060) of projection radiographs: PS3.3 C.7.3.1.1.1."""


@dataclass(frozen=True)
class Header:
    """Identity and acquisition of one DICOM object; a `Study` is made of these without pixels.

    spacing: (row, column) mm at the detector or None. body_part: None where not one of MURA's.
    other_region: what the header calls the body part where that is not one of MURA's, else ''.
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
    """The header of a DICOM file; its pixels are not decoded. Raises DicomError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DicomError(f"{path}: cannot be read: {error}") from None
    return header_of(parse(data, str(path)).dataset, str(path))


def header_of(dataset: pydicom.Dataset, name: str) -> Header:
    """The header in a parsed data set; what cannot be read in it counts as missing."""
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
    """DicomError with the reason unless the object is a radiograph made for viewing.

    A For Processing image (DX, PS3.3 C.8.11.1.1.1 Presentation Intent Type) has no defined
    way to the screen: its grey scale is the vendor's own.
    """
    dataset = parsed.dataset
    if parsed.pixels is None:
        raise DicomError(
            f"{name}: holds no pixel data: expected an image, not a report or state, and a file "
            "that is not cut short"
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


def _body_part(dataset: pydicom.Dataset, name: str) -> Named:
    """Body Part Examined (0018,0015), else Anatomic Region Sequence (0008,2218)."""
    named = named_part(_text(dataset, "BodyPartExamined").replace("\\", " "))
    regions = items(dataset, "AnatomicRegionSequence")
    coded = coded_part([(_text(i, "CodeValue"), _text(i, "CodeMeaning")) for i in regions])
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
    """View Position (0018,5101), else the meaning of View Code Sequence (0054,0220)."""
    codes = [str(item.get("CodeMeaning", "")) for item in items(dataset, "ViewCodeSequence")]
    return _text(dataset, "ViewPosition") or next(iter(codes), "")


def _spacing(dataset: pydicom.Dataset) -> tuple[float, float] | None:
    """Imager Pixel Spacing (0018,1164), at the detector; Pixel Spacing may be calibrated."""
    return pair(dataset, "ImagerPixelSpacing") or pair(dataset, "PixelSpacing")
