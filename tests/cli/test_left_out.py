"""`ulna predict`: what is left out is one note, what a header says stands beside the answer."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from tests.cli.calls import ulna


def bar(seed: int) -> np.ndarray:
    pixels = np.full((120, 100), 20.0)
    pixels[:, 40:60] = 150
    noise = np.random.default_rng(seed).normal(0, 4, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(bar(seed)).save(path)


def dicom(path: Path, part: str, seed: int) -> None:
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    image.StudyInstanceUID, image.PatientID, image.Modality = f"1.2.{seed}", "p", "CR"
    image.BodyPartExamined, image.Rows, image.Columns = part, 120, 100
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.PixelData = bar(seed).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)


@pytest.fixture
def visit(tmp_path: Path) -> Path:
    """A folder as hospitals give it: of everything something."""
    root = tmp_path / "visit"
    dicom(root / "knee.dcm", "KNEE", 1)
    dicom(root / "wrist", "L WRIST", 2)
    shutil.copy(root / "wrist", root / "wrist_copy")
    picture(root / "scans/1.png", 3)
    picture(root / "scans/2.jfif", 4)
    picture(root / "scans/3.tif", 5)
    shutil.copy(root / "scans/1.png", root / "scans/4.png")
    picture(root / ".Trash/5.png", 6)
    (root / "linked").symlink_to("scans")
    (root / "notes.txt").write_text("x")
    return root


def test_a_mixed_folder_is_answered_whole_with_one_note(visit: Path) -> None:
    done = ulna("predict", visit, "--json")
    answers = {a["study_id"]: a for a in json.loads(done.stdout)}
    assert sorted(len(a["images"]) for a in answers.values()) == [1, 1, 3]
    notes = re.findall(r"^note: .*left out:\n(?:  .*\n)*", done.stderr, re.MULTILINE)
    assert len(notes) == 1 and "5 left out" in notes[0]
    for name in (
        ".Trash",
        "linked",
        "notes.txt",
        "scans/4.png (scans/1.png)",
        "wrist_copy (wrist)",
    ):
        assert name in notes[0]
    assert "1 used with a remark" in done.stderr


def test_the_remark_on_another_region_is_in_every_form_of_answer(
    visit: Path, tmp_path: Path
) -> None:
    message = "the header names KNEE: not known as one of the seven regions"
    image = visit / "knee.dcm"
    (answer,) = json.loads(ulna("predict", image, "--json").stdout)
    assert message in answer["flags"] and answer["body_part_given"] is False
    shown = ulna("predict", image)
    assert message in shown.stdout and "names KNEE" in shown.stderr
    ulna("predict", image, "--table", tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as handle:
        (row,) = csv.DictReader(handle)
    assert message in row["flags"]
    (given,) = json.loads(ulna("predict", image, "--body-part", "WRIST", "--json").stdout)
    assert message in given["flags"] and given["body_part"] == "WRIST"


@pytest.mark.parametrize("again", [str, lambda p: f"{p}/../visit", lambda p: f"{p}/knee.dcm"])
def test_what_is_given_twice_is_answered_once(visit: Path, again: Callable[[Path], str]) -> None:
    once = json.loads(ulna("predict", visit, "--json").stdout)
    done = ulna("predict", visit, again(visit), "--json")
    assert [a["study_id"] for a in json.loads(done.stdout)] == [a["study_id"] for a in once]


def test_two_folders_of_one_name_have_rows_of_their_own(tmp_path: Path) -> None:
    folders = [tmp_path / side / "patient1/study1" for side in "xy"]
    for seed, folder in enumerate(folders):
        picture(folder / "1.png", seed)
    ulna("predict", *folders, "--table", tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as handle:
        keys = [row["study"] for row in csv.DictReader(handle)]
    assert keys == ["UNKNOWN/x/patient1/study1", "UNKNOWN/y/patient1/study1"]


def test_a_semicolon_table_of_another_system_is_answered(tmp_path: Path) -> None:
    picture(tmp_path / "images/é.png", 1)
    head = "path;patient_id;study_id;body_part;abnormal\n"
    text = head + "images\\e\u0301.png;p;s;L WRIST;Positive\n;;;;\n"
    (tmp_path / "t.csv").write_text(text, "utf-8")
    done = ulna("predict", tmp_path / "t.csv", "--json")
    (answer,) = json.loads(done.stdout)
    assert answer["body_part"] == "WRIST" and answer["body_part_given"]
    assert "note: " in done.stderr and "1 rows hold no value" in done.stderr
