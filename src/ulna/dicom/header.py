"""What a DICOM header says of a radiograph, and whether it may be read as one."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import pydicom

from ulna.dicom.guard import ParsedFile, parse
from ulna.dicom.values import integer, items, pair
from ulna.dicom.values import text as _text
from ulna.errors import DicomError, ImageWarning
from ulna.types import BodyPart, Laterality

RADIOGRAPHY = ("CR", "DX", "RG")
"""Modalities (0008,0060) of projection radiographs: PS3.3 C.7.3.1.1.1."""

# PS3.16 Annex L (body part examined) -> MURA's regions, where another word means the same.
_PARTS = {"THUMB": BodyPart.FINGER}
# SNOMED CT codes of Anatomic Region Sequence (0008,2218): PS3.16 CID 4009.
_REGIONS = {
    "16953009": BodyPart.ELBOW,
    "7569003": BodyPart.FINGER,
    "14975008": BodyPart.FOREARM,
    "85562004": BodyPart.HAND,
    "85050009": BodyPart.HUMERUS,
    "16982005": BodyPart.SHOULDER,
    "74670003": BodyPart.WRIST,
}


@dataclass(frozen=True)
class Header:
    """Identity and acquisition of one DICOM object; a `Study` is made of these without pixels.

    spacing: (row, column) mm at the detector or None. body_part: None where not one of MURA's.
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


def read_header(path: Path) -> Header:
    """The header of a DICOM file; its pixels are not decoded. Raises DicomError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DicomError(f"{path}: cannot be read: {error}") from None
    return header_of(parse(data, str(path)).dataset, str(path))


def header_of(dataset: pydicom.Dataset, name: str) -> Header:
    """The header in a parsed data set; what cannot be read in it counts as missing."""
    return Header(
        patient_id=_text(dataset, "PatientID"),
        study_uid=_text(dataset, "StudyInstanceUID"),
        instance_uid=_text(dataset, "SOPInstanceUID"),
        instance_number=integer(dataset, "InstanceNumber") or 0,
        modality=_text(dataset, "Modality").upper(),
        body_part=_body_part(dataset, name),
        laterality=_laterality(dataset),
        view=_view(dataset),
        spacing=_spacing(dataset),
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


def _body_part(dataset: pydicom.Dataset, name: str) -> BodyPart | None:
    """Body Part Examined (0018,0015), else Anatomic Region Sequence (0008,2218)."""
    text = _text(dataset, "BodyPartExamined").upper()
    named = _PARTS.get(text) or (BodyPart(text) if text in BodyPart.__members__ else None)
    codes = [str(item.get("CodeValue", "")) for item in items(dataset, "AnatomicRegionSequence")]
    coded = next((_REGIONS[c] for c in codes if c in _REGIONS), None)
    if named and coded and named != coded:
        warnings.warn(
            f"{name}: Body Part Examined says {named}, Anatomic Region {coded}: the first is used",
            ImageWarning,
            5,
        )
    return named or (coded if not text else None)


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
