"""Folders of DICOM objects."""

from __future__ import annotations

from pathlib import Path

import pytest
from dicom_objects import write_object

from ulna.datasets import index_data, index_dicom
from ulna.errors import DatasetError, DatasetWarning
from ulna.imaging import read_radiograph
from ulna.types import BodyPart, Laterality

REAL = Path("../shared/data/dicom")


def test_grouped_by_study_and_body_part_in_order_of_instances(tmp_path: Path) -> None:
    write_object(tmp_path / "a/2", InstanceNumber=2, ViewPosition="LL", Laterality="R")
    write_object(tmp_path / "a/9", InstanceNumber=1, ViewPosition="PA")
    write_object(tmp_path / "a/elbow", BodyPartExamined="ELBOW", Modality="DX")
    write_object(tmp_path / "b/other", StudyInstanceUID="1.2.4", PatientID="p2", Modality="RG")
    write_object(tmp_path / "b/knee", StudyInstanceUID="1.2.5", BodyPartExamined="KNEE")
    (tmp_path / "b/readme.txt").write_text("not DICOM")
    with pytest.warns(DatasetWarning) as record:
        studies = index_dicom(tmp_path)
    (text,) = {str(w.message) for w in record}
    assert "1 left out:" in text and "by their first bytes" in text and "b/readme.txt" in text
    assert "1 with a header that names KNEE, not known as one of the seven regions" in text
    assert [s.key for s in studies] == [
        "WRIST/p1/1.2.3", "ELBOW/p1/1.2.3", "UNKNOWN/p1/1.2.5", "WRIST/p2/1.2.4",
    ]  # fmt: skip
    first, second = studies[0].images
    assert (first.path.name, first.view) == ("9", "PA")
    assert (second.view, second.laterality) == ("LL", Laterality.RIGHT)
    assert all(s.abnormal is None and s.split == "" for s in studies)
    assert [bool(s.remarks) for s in studies] == [False, False, True, False]
    with pytest.warns(DatasetWarning, match="names KNEE"):
        assert index_data(tmp_path) == studies
    assert read_radiograph(first.path).body_part is BodyPart.WRIST


def test_what_is_no_radiograph_is_skipped_by_name(tmp_path: Path) -> None:
    kept = write_object(tmp_path / "1.dcm")
    write_object(tmp_path / "2.dcm", Modality="CT")
    write_object(tmp_path / "3.dcm", Modality=None)
    write_object(tmp_path / "4.dcm", StudyInstanceUID=None)
    write_object(tmp_path / "5.dcm", SOPInstanceUID=kept.SOPInstanceUID)
    (tmp_path / "6.dcm").write_bytes(bytes(128) + b"DICM\x02\x00\x00\x00UL\xff")
    with pytest.warns(DatasetWarning, match="5 left out") as record:
        (study,) = index_dicom(tmp_path)
    text = str(record[0].message)
    for part in (
        "1 of modality CT, no radiographs (CR, DX, RG): 2.dcm",
        "1 of modality (none), no radiographs (CR, DX, RG): 3.dcm",
        "1 without a Study Instance UID: 4.dcm",
        "1 the same object as another file: 5.dcm (1.dcm)",
        "1 damaged: 6.dcm",
    ):
        assert part in text
    assert len(study.images) == 1


def test_no_patient_id_is_the_studys_own_patient(tmp_path: Path) -> None:
    write_object(tmp_path / "1", PatientID="")
    write_object(tmp_path / "2", PatientID=None, StudyInstanceUID="1.2.9")
    assert {s.patient_id for s in index_dicom(tmp_path)} == {"1.2.3", "1.2.9"}


def test_one_study_of_two_patients_is_a_study_of_each(tmp_path: Path) -> None:
    """One wrong header must not cost the others their answers."""
    write_object(tmp_path / "1")
    write_object(tmp_path / "2", PatientID="p2")
    write_object(tmp_path / "3", StudyInstanceUID="1.2.4")
    with pytest.warns(DatasetWarning, match="2 with a Study Instance UID of several patients"):
        studies = index_dicom(tmp_path)
    assert [s.key for s in studies] == ["WRIST/p1/1.2.3", "WRIST/p2/1.2.3", "WRIST/p1/1.2.4"]


def test_nothing_to_index(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        index_dicom(tmp_path / "none")
    with pytest.raises(DatasetError, match="no radiographs among 0 files"):
        index_dicom(tmp_path)
    write_object(tmp_path / "ct", Modality="CT")
    with pytest.raises(DatasetError, match=r"(?s)no radiographs among 1 files.*modality CT.*: ct"):
        index_dicom(tmp_path)


def test_real_folder() -> None:
    if not REAL.is_dir():
        pytest.skip("real data ../shared/data/dicom is not on this machine")
    with pytest.warns(DatasetWarning, match="the same object as"):
        studies = index_dicom(REAL)
    assert sum(len(s.images) for s in studies) == 5 and len(studies) == 4
