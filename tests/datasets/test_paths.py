"""Studies of paths and folders: what is left out is reported, and every study key is unique.

Laws from issue 15, items 5 and 8: mixed folders, links, hidden folders, odd endings, copies.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dicom_objects import write_object
from distinct_images import image, names, noted
from mura_tree import add_study

from ulna.datasets import data_kind, index_data, index_images, index_paths
from ulna.errors import DatasetError, DatasetWarning, ImageError
from ulna.imaging import read_radiograph
from ulna.types import BodyPart


def test_a_folder_with_dicom_and_pictures_gives_both(tmp_path: Path) -> None:
    write_object(tmp_path / "visit/1.dcm")
    image(tmp_path / "visit/2.png")
    image(tmp_path / "visit/below/3.png")
    studies, note = noted([tmp_path])
    assert names(studies) == [["1.dcm"], ["2.png"], ["3.png"]] and not note
    assert data_kind(tmp_path) == "dicom" and index_data(tmp_path) == studies
    assert index_images(tmp_path) == studies


def test_any_number_of_other_files_before_the_first_object(tmp_path: Path) -> None:
    for i in range(250):
        (tmp_path / f"a{i}.txt").write_text("no image")
    write_object(tmp_path / "b/last")
    assert data_kind(tmp_path) == "dicom"
    studies, note = noted([tmp_path])
    assert names(studies) == [["last"]]
    assert "250 left out:\n  250 no image by their first bytes" in note
    assert "a0.txt, a1.txt, a2.txt, a3.txt, a4.txt and 245 more" in note


@pytest.mark.parametrize("name", ["a.jfif", "a.jpe", "a", "a.ima", "A.JPEG"])
def test_every_ending_is_read(tmp_path: Path, name: str) -> None:
    form = {"a": "PNG", "a.ima": "TIFF"}.get(name, "JPEG")
    image(tmp_path / name, format=form)
    studies, note = noted([tmp_path])
    assert names(studies) == [[name]] and not note
    assert read_radiograph(tmp_path / name).pixels.shape == (20, 20)


def test_bmp_and_webp_are_counted_and_reported_by_name(tmp_path: Path) -> None:
    """What their bytes are decides: a JPEG that is called WebP is an image."""
    image(tmp_path / "a.png")
    image(tmp_path / "b.webp", format="JPEG")
    image(tmp_path / "c.bmp", format="BMP")
    image(tmp_path / "d", format="WEBP")
    studies, note = noted([tmp_path])
    assert names(studies) == [["a.png", "b.webp"]]
    assert "2 pictures in BMP or WebP, which are not read: convert them to PNG: c.bmp, d" in note
    (named,) = index_paths([tmp_path / "c.bmp"])
    with pytest.raises(ImageError, match="is a BMP picture: expected a PNG"):
        read_radiograph(named.images[0].path)


def test_words_that_begin_like_a_bmp_are_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("BMI of all patients: see the other table, please")
    with pytest.raises(
        DatasetError, match=r"(?s)contains no images.*1 no image by their first bytes"
    ):
        index_paths([tmp_path])


HIDDEN = (
    ".Trash",
    ".ipynb_checkpoints",
    "@eaDir",
    "#recycle",
    "$RECYCLE.BIN",
    "RECYCLER",
    "lost+found",
)


@pytest.mark.parametrize("folder", HIDDEN)
def test_hidden_folders_are_reported_and_never_answered(tmp_path: Path, folder: str) -> None:
    image(tmp_path / "visit/1.png")
    image(tmp_path / "visit" / folder / "2.png")
    write_object(tmp_path / folder / "3.dcm")
    add_study(tmp_path / folder, "valid/XR_HAND/patient00001/study1_positive")
    image(tmp_path / "visit/.hidden.png")
    studies, note = noted([tmp_path])
    assert names(studies) == [["1.png"]]
    assert "4 hidden: " in note and folder in note and "visit/.hidden.png" in note
    with pytest.raises(DatasetError, match="neither truth"):
        data_kind(tmp_path)
    assert names(noted([tmp_path / folder])[0])  # a hidden folder that is requested by name is read


def test_litter_of_operating_systems_is_not_worth_a_note(tmp_path: Path) -> None:
    image(tmp_path / "1.png")
    for name in ("._1.png", ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX/._1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert names(noted([tmp_path])[0]) == [["1.png"]] and not noted([tmp_path])[1]


def test_linked_folders_are_followed_and_circles_end(tmp_path: Path) -> None:
    image(tmp_path / "archive/p1/1.png")
    write_object(tmp_path / "archive/p2/2.dcm")
    cohort = tmp_path / "cohort"
    image(cohort / "own/3.png")
    (cohort / "one").symlink_to("../archive/p1")
    (cohort / "two").symlink_to("../archive/p2")
    (cohort / "again").symlink_to("own")
    (cohort / "own/back").symlink_to("..")
    (cohort / "own/above").symlink_to("../..")
    (cohort / "self").symlink_to("self")
    studies, note = noted([cohort])
    assert sorted(names(studies)) == [["1.png"], ["2.dcm"], ["3.png"]]
    assert "3 linked folders that are read already, or that lead back: " in note
    assert "1 a link to nothing: self" in note
    assert data_kind(cohort) == "dicom"


def test_a_header_that_names_another_region_is_reported_and_stands_beside_the_answer(
    tmp_path: Path,
) -> None:
    for i, part in enumerate(["KNEE", "KNEE", "CHEST", "L WRIST", "HANDS"]):
        write_object(tmp_path / f"{i}.dcm", BodyPartExamined=part, StudyInstanceUID=f"1.{i}")
    studies, note = noted([tmp_path])
    parts = [s.body_part for s in studies]
    assert parts == [None, None, None, BodyPart.WRIST, BodyPart.HAND]
    assert (
        "3 used with a remark:\n  2 with a header that names KNEE, not known as one of the seven"
        in note
    )
    assert [bool(s.remarks) for s in studies] == [True, True, True, False, False]
    assert "KNEE" in studies[0].remarks[0]


def test_damaged_objects_in_a_folder_are_studies_whose_reading_says_so(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    (tmp_path / "b.dcm").write_bytes(bytes(128) + b"DICM" + b"\xff" * 40)
    (tmp_path / "c.dat").write_bytes(b"\x08\x00" + b"\xff" * 40)  # two bytes like an object's
    (tmp_path / "d.png").write_bytes(b"")
    (tmp_path / "e").write_bytes(b"")
    studies, note = noted([tmp_path])
    assert names(studies) == [["b.dcm"], ["a.png", "d.png"]]
    assert "1 no image by their first bytes" in note and "c.dat" in note and "1 0 bytes: e" in note


def test_a_missing_path_or_an_empty_folder_costs_the_others_nothing(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    paths = [tmp_path / n for n in ("empty", "none.png", "a.png", "x" * 300)]
    studies, note = noted(paths)
    assert [s.images[0].path for s in studies] == paths[1:]
    assert "1 folders without an image: " in note
    with pytest.raises(ImageError, match="no such file"):
        read_radiograph(studies[0].images[0].path)
    with pytest.raises(ImageError, match="no such file or folder"):
        index_paths([tmp_path / "none.png"])


def test_pipes_are_reported_and_not_opened(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    os.mkfifo(tmp_path / "b.png")
    studies, note = noted([tmp_path])
    assert names(studies) == [["a.png"]] and "1 not a plain file: b.png" in note


def test_what_lies_beside_mura_is_reported(tmp_path: Path) -> None:
    add_study(tmp_path / "MURA-v1.1", "valid/XR_HAND/patient00001/study1_positive")
    image(tmp_path / "other/1.png")
    image(tmp_path / "2.png")
    study = tmp_path / "MURA-v1.1/valid/XR_HAND/patient00001/study1_positive"
    image(study / "image2.jfif", format="JPEG")
    image(study / "image3", format="PNG")
    image(study / "@eaDir/image4.png")
    (study / "notes.txt").write_text("x")
    (study / "image5.png").symlink_to("image1.png")
    image(study.parent / "stray.png")
    image(tmp_path / "MURA-v1.1/test/XR_HAND/patient00002/study1_positive/image1.png")
    with pytest.warns(DatasetWarning) as record:
        (result,) = index_data(tmp_path)
    assert sorted(names([result])[0]) == ["image1.png", "image2.jfif", "image3"]
    beside, inside = (str(w.message) for w in record)
    assert "2 beside MURA-v1.1, the only folder that is read: " in beside and "2.png" in beside
    for line in (
        "1 hidden: valid/XR_HAND/patient00001/study1_positive/@eaDir",
        "1 no image by their first bytes",
        "1 links to another image of the study",
        "1 images outside of a study folder: valid/XR_HAND/patient00001/stray.png",
        "1 folders that do not belong to a MURA tree: test",
    ):
        assert line in inside


def test_data_are_listed_in_two_places_alone(repository: Path) -> None:
    """A new walk of a folder would be one more that can leave something out in silence."""
    listing = ("os.walk", "rglob", "scandir", "listdir(", "iterdir()", ".glob(")
    rooms = ("datasets", "api", "cli", "experiments", "runtime", "imaging")
    places = [repository / "src/ulna" / name for name in rooms]
    result = {
        file.name
        for place in places
        for file in place.rglob("*.py")
        if any(word in file.read_text("utf-8") for word in listing)
    }
    # The last two ask whether an output folder is empty; find_file looks for one known name.
    assert result == {
        "walk.py", "mura_tree.py", "find_file.py", "crossval_steps.py", "demo_steps.py",
    }  # fmt: skip
