"""Paths on the command line, and which of their images form a study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from ulna.datasets import index_paths
from ulna.errors import DatasetError, DatasetWarning, ImageError
from ulna.imaging import read_radiograph
from ulna.types import BodyPart


def _image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = sum(path.as_posix().encode()) % 256  # images of other names are other images
    Image.fromarray(np.full((20, 20), grey, np.uint8)).save(path)
    return path


def test_each_image_by_name_is_a_study(tmp_path: Path) -> None:
    images = [_image(tmp_path / "b.png"), _image(tmp_path / "a.jpg")]
    studies = index_paths(images)
    assert [s.images[0].path for s in studies] == images
    assert all(s.abnormal is None and s.body_part is None for s in studies)


def test_the_images_of_a_folder_are_one_study(tmp_path: Path) -> None:
    for name in ("visit/2.png", "visit/1.png", "visit/._1.png", "visit/notes.txt"):
        _image(tmp_path / name) if name.endswith("png") else (tmp_path / name).write_text("x")
    with pytest.warns(DatasetWarning, match=r"1 no image by their first bytes .*: notes\.txt"):
        (study,) = index_paths([tmp_path / "visit"])
    assert [i.path.name for i in study.images] == ["1.png", "2.png"]


def test_folders_in_a_folder_are_studies_of_their_own(tmp_path: Path) -> None:
    for name in ("x/1.png", "y/1.png", "y/2.png"):
        _image(tmp_path / name)
    assert sorted(len(s.images) for s in index_paths([tmp_path])) == [1, 2]


def test_a_mura_folder_is_indexed_as_one(tmp_path: Path) -> None:
    _image(tmp_path / "valid/XR_WRIST/patient00001/study1_positive/image1.png")
    (study,) = index_paths([tmp_path])
    assert (study.body_part, study.abnormal, study.split) == (BodyPart.WRIST, True, "valid")


def test_dicom_objects_of_one_study_stay_together(real_data: Path) -> None:
    objects = sorted((real_data / "dicom").glob("*RG*.dcm"))
    with pytest.warns(DatasetWarning, match=r"with a header that names CHEST"):
        studies = index_paths(objects)
    assert sum(len(s.images) for s in studies) == len(objects)
    assert len({s.study_id for s in studies}) == len(studies)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file or folder"):
        index_paths([tmp_path / "missing.png"])
    with pytest.raises(DatasetError, match="contains no images"):
        index_paths([tmp_path])


def test_a_damaged_dicom_object_is_a_study_whose_reading_says_so(tmp_path: Path) -> None:
    image, damaged = _image(tmp_path / "a.png"), tmp_path / "b.dcm"
    damaged.write_bytes(bytes(128) + b"DICM" + b"\xff" * 40)
    studies = index_paths([image, damaged])
    assert [s.images[0].path for s in studies] == [image, damaged]
    with pytest.raises(ImageError, match=r"b\.dcm"):
        read_radiograph(damaged)


def test_a_folder_named_like_an_image_is_none(tmp_path: Path) -> None:
    image = _image(tmp_path / "a.png")
    (tmp_path / "b.png").mkdir()
    assert [[i.path for i in s.images] for s in index_paths([tmp_path])] == [[image]]


def test_dicom_without_a_study_uid_is_a_study_of_its_own(tmp_path: Path, real_data: Path) -> None:
    """One such file must not keep the others from their answers."""
    known = real_data / "dicom" / "highdicom_dx_image.dcm"
    dataset = pydicom.dcmread(known)
    del dataset.StudyInstanceUID
    for name in ("a.dcm", "b.dcm"):
        dataset.save_as(tmp_path / name)
    with pytest.warns(DatasetWarning, match=r"2 without a Study Instance UID .*a\.dcm.*b\.dcm"):
        studies = index_paths([tmp_path / "a.dcm", known, tmp_path / "b.dcm"])
    assert [len(s.images) for s in studies] == [1, 1, 1]
    assert [s.study_id for s in studies][::2] == ["a", "b"]
