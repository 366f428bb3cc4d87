"""Read DICOM headers and group the objects into studies, copies of an object counted once."""

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
    """A DICOM file and its header, compared by identity even where one file is given twice."""

    path: Path
    header: Header

    @property
    def study(self) -> tuple[str, str, str]:
        """Study Instance UID, patient and body part, equal for all objects of a study."""
        return self.header.study_uid, self.header.patient_id, self.header.body_part or ""

    @property
    def identity(self) -> tuple[object, ...]:
        """A key that is equal for copies of one object.

        A SOP Instance UID identifies one object (PS3.3 C.12.1.1.1), but some de-identification
        tools assign one UID to all, so number, view and side must agree too. An object without
        a UID is identified by its bytes.
        """
        h = self.header
        if not h.instance_uid:
            return (file_sha256(self.path),)
        return (h.instance_uid, *self.study, h.instance_number, h.view, h.laterality)


UngroupedFile = tuple[Path, "Header | None"]
"""A file without a Study Instance UID and its header, None where the file is damaged."""


def read_objects(
    paths: Iterable[Path], left: LeftOut, any_modality: bool = False
) -> tuple[list[DicomObject], list[UngroupedFile]]:
    """Return the radiographs among DICOM files, and the files without a Study Instance UID.

    Objects of other modalities are recorded in `left`, unless `any_modality` accepts them.
    """
    from ulna.dicom.header import RADIOGRAPHY, read_header  # importing pydicom takes 0.3 s

    objects: list[DicomObject] = []
    ungrouped: list[UngroupedFile] = []
    for path in paths:
        try:
            header = read_header(path)
        except DicomError:
            ungrouped.append((path, None))
            continue
        if path.name.upper() == "DICOMDIR":
            left.add("directories of a medium, no images", path)
        elif not header.modality and not header.study_uid:  # what a damaged file parses to
            ungrouped.append((path, None))
        elif not any_modality and header.modality not in RADIOGRAPHY:
            modality = header.modality or "(none)"
            left.add(f"of modality {modality}, no radiographs ({', '.join(RADIOGRAPHY)})", path)
        elif header.study_uid:
            objects.append(DicomObject(path, header))
        else:
            ungrouped.append((path, header))
    return objects, ungrouped


def group_objects(objects: Sequence[DicomObject], left: LeftOut) -> dict[DicomObject, Study]:
    """Return the studies by the first object of each, in the order of `objects`.

    The views of a study are ordered by instance number. Second copies of an object are recorded in
    `left`, with remarks on Study Instance UIDs that several patients share (each patient has a
    study of its own) and on regions other than the seven body parts.
    """
    groups: dict[tuple[str, str, str], list[DicomObject]] = defaultdict(list)
    seen: dict[tuple[object, ...], DicomObject] = {}
    for item in objects:
        first = seen.setdefault(item.identity, item)
        if first is item:
            groups[item.study].append(item)
        else:
            left.add("the same object as another file", item.path, left.name(first.path))
    _note_shared_uids(groups, left)
    for item in seen.values():
        note_other_region(item.path, item.header, left)
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


def note_other_region(path: Path, header: Header, left: LeftOut) -> None:
    """Record in `left` a header that names a region other than the seven body parts."""
    if header.other_region:
        left.remark(
            f"with a header that names {header.other_region}, not known as one of the seven "
            "regions (body part: not known)",
            path,
        )


def _note_shared_uids(groups: dict[tuple[str, str, str], list[DicomObject]], left: LeftOut) -> None:
    patients: dict[str, set[str]] = defaultdict(set)
    for uid, patient, _ in groups:
        patients[uid].add(patient)
    for (uid, patient, _), objects in groups.items():
        for item in objects if len(patients[uid]) > 1 else ():
            left.remark(
                "with a Study Instance UID of several patients, each of whom has a study",
                item.path,
                patient or "no patient",
            )
