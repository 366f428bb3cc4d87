"""DICOM objects by their headers, grouped into studies: each object once, whatever its copies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ulna.datasets.left_out import LeftOut
from ulna.dicom.body_part import region_remarks
from ulna.digest import file_sha256
from ulna.errors import DicomError
from ulna.types import ImageRef, Study

if TYPE_CHECKING:
    from ulna.dicom.header import Header


@dataclass(frozen=True, eq=False)
class DicomObject:
    """A file and its header; each is itself alone, also where one file is given twice."""

    path: Path
    header: Header

    @property
    def study(self) -> tuple[str, str, str]:
        """What objects of one study share: Study Instance UID, patient, body part."""
        return self.header.study_uid, self.header.patient_id, self.header.body_part or ""

    @property
    def identity(self) -> tuple[object, ...]:
        """What two copies of one object share.

        A SOP Instance UID is one object's (PS3.3 C.12.1.1.1), but some tools that take names out
        give one UID to all: number, view and side must agree too. Without a UID, its bytes.
        """
        h = self.header
        if not h.instance_uid:
            return (file_sha256(self.path),)
        return (h.instance_uid, *self.study, h.instance_number, h.view, h.laterality)


Alone = tuple[Path, "Header | None"]
"""A file that says of no study that it belongs to; without a header, a damaged one."""


def read_objects(
    paths: Iterable[Path], left: LeftOut, any_modality: bool = False
) -> tuple[list[DicomObject], list[Alone]]:
    """The radiographs among DICOM files, and those that belong to no known study.

    Objects of other modalities go to `left`, unless any will do.
    """
    from ulna.dicom.header import RADIOGRAPHY, read_header  # pydicom: a third of a second

    result: list[DicomObject] = []
    alone: list[Alone] = []
    for path in paths:
        try:
            header = read_header(path)
        except DicomError:
            alone.append((path, None))
            continue
        if path.name.upper() == "DICOMDIR":
            left.add("directories of a medium, no images", path)
        elif not header.modality and not header.study_uid:  # a damaged one parses to nothing
            alone.append((path, None))
        elif not any_modality and header.modality not in RADIOGRAPHY:
            message = header.modality or "(none)"
            left.add(f"of modality {message}, no radiographs ({', '.join(RADIOGRAPHY)})", path)
        elif header.study_uid:
            result.append(DicomObject(path, header))
        else:
            alone.append((path, header))
    return result, alone


def group_objects(objects: Sequence[DicomObject], left: LeftOut) -> dict[DicomObject, Study]:
    """Studies by the first object of each, in the order of `objects`; views by instance number.

    A second copy of an object goes to `left`, as do remarks on one Study Instance UID of several
    patients (each has a study of its own) and on regions that are none of the seven.
    """
    groups: dict[tuple[str, str, str], list[DicomObject]] = defaultdict(list)
    seen: dict[tuple[object, ...], DicomObject] = {}
    for result in objects:
        first = seen.setdefault(result.identity, result)
        if first is result:
            groups[result.study].append(result)
        else:
            left.add("the same object as another file", result.path, left.name(first.path))
    _tell_patients(groups, left)
    for result in seen.values():
        tell_region(result.path, result.header, left)
    return {group[0]: _study(group) for group in groups.values()}


def _study(group: Sequence[DicomObject]) -> Study:
    head = group[0].header
    ordered = sorted(group, key=lambda o: o.header.instance_number)
    return Study(
        patient_id=head.patient_id or head.study_uid,
        study_id=head.study_uid,
        body_part=head.body_part,
        images=tuple(ImageRef(o.path, o.header.view, o.header.laterality) for o in ordered),
        remarks=region_remarks(o.header.other_region for o in group),
    )


def tell_region(path: Path, header: Header, left: LeftOut) -> None:
    """Put down that a header names a region that is none of the seven, if it does."""
    if header.other_region:
        left.remark(
            f"with a header that names {header.other_region}, not known as one of the seven "
            "regions (body part: not known)",
            path,
        )


def _tell_patients(groups: dict[tuple[str, str, str], list[DicomObject]], left: LeftOut) -> None:
    patients: dict[str, set[str]] = defaultdict(set)
    for uid, patient, _ in groups:
        patients[uid].add(patient)
    for (uid, patient, _), objects in groups.items():
        for result in objects if len(patients[uid]) > 1 else ():
            left.remark(
                "with a Study Instance UID of several patients, each of whom has a study",
                result.path,
                patient or "no patient",
            )
