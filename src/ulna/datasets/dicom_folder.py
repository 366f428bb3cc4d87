"""A folder of DICOM files -> studies; headers only."""

from __future__ import annotations

import os
import warnings
from collections import Counter, defaultdict
from pathlib import Path

from ulna.datasets.listing import listed, natural_key
from ulna.dicom.header import RADIOGRAPHY, Header, read_header
from ulna.dicom.signature import is_dicom_file
from ulna.errors import DatasetError, DatasetWarning, DicomError
from ulna.types import ImageRef, Study


def index_dicom(folder: Path | str) -> list[Study]:
    """The CR, DX and RG objects under `folder` (and its folders), grouped into studies.

    A study is what shares Study Instance UID (0020,000D) and body part; body part is None
    where the header names none of MURA's. There are no labels: `abnormal` is None. An object
    without Patient ID counts as its study's own patient. Files are known by their first bytes,
    not their names. DatasetWarning for objects of other modalities, damaged ones and copies
    of one SOP Instance UID, all left out; DatasetError where nothing is left.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder: expected one with DICOM files")
    found = sorted(
        (Path(place) / name for place, _, names in os.walk(root) for name in names),
        key=lambda p: natural_key(p.relative_to(root).as_posix()),
    )
    headers, skipped = _headers(root, [p for p in found if is_dicom_file(p)])
    if not headers:
        raise DatasetError(
            f"{root}: no radiographs among {len(found)} files: expected DICOM objects of "
            f"modality {', '.join(RADIOGRAPHY)}{listed(skipped)}"
        )
    if skipped:
        message = f"{root}: {len(skipped)} DICOM files are skipped"
        warnings.warn(f"{message}:{listed(skipped)}", DatasetWarning, 2)
    groups: dict[tuple[str, str], list[tuple[Path, Header]]] = defaultdict(list)
    for path, header in headers:
        groups[header.study_uid, header.body_part or ""].append((path, header))
    _check_patients(root, headers)
    return [_study(group) for group in groups.values()]


def _headers(root: Path, paths: list[Path]) -> tuple[list[tuple[Path, Header]], list[str]]:
    kept: list[tuple[Path, Header]] = []
    skipped: list[str] = []
    seen: dict[str, Path] = {}
    for path in paths:
        name = path.relative_to(root).as_posix()
        try:
            header = read_header(path)
        except DicomError as error:
            skipped.append(str(error))
            continue
        if header.modality not in RADIOGRAPHY:
            skipped.append(f"{name}: modality {header.modality or '(none)'}")
        elif not header.study_uid:
            skipped.append(f"{name}: no Study Instance UID")
        elif header.instance_uid and header.instance_uid in seen:
            skipped.append(f"{name}: the same object as {seen[header.instance_uid].name}")
        else:
            seen[header.instance_uid] = path
            kept.append((path, header))
    return kept, skipped


def _check_patients(root: Path, headers: list[tuple[Path, Header]]) -> None:
    pairs = {(h.study_uid, h.patient_id) for _, h in headers}
    wrong = [uid for uid, n in Counter(uid for uid, _ in pairs).items() if n > 1]
    if wrong:
        raise DatasetError(
            f"{root}: {len(wrong)} studies name more than one Patient ID: expected one:"
            f"{listed(sorted(wrong))}"
        )


def _study(group: list[tuple[Path, Header]]) -> Study:
    head = group[0][1]
    ordered = sorted(group, key=lambda g: (g[1].instance_number, g[0].name))
    return Study(
        patient_id=head.patient_id or head.study_uid,
        study_id=head.study_uid,
        body_part=head.body_part,
        images=tuple(ImageRef(p, h.view, h.laterality) for p, h in ordered),
    )
