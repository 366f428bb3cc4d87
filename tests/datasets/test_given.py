"""What paths and folders give: nothing left out in silence, every key one study's.

Laws from issue 15, items 5 and 8: mixed folders, links, hidden folders, odd endings, copies.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from dicom_objects import write_object
from mura_tree import add_study
from PIL import Image

from ulna.datasets import data_kind, index_data, index_films, index_given
from ulna.errors import DatasetError, DatasetWarning, ImageError, UlnaWarning
from ulna.imaging import read_radiograph
from ulna.types import BodyPart, Study

_grey = count()


def film(path: Path, **options: str) -> Path:
    """A picture unlike all others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number = next(_grey)
    ramp = np.arange(400, dtype=np.uint8).reshape(20, 20)
    ramp[0, :2] = number % 256, number // 256
    Image.fromarray(ramp).save(path, **options)
    return path


def noted(paths: Sequence[Path]) -> tuple[list[Study], str]:
    """The studies, and the one warning or ''."""
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        studies = index_given(paths)
    told = [str(w.message) for w in record if issubclass(w.category, UlnaWarning)]
    assert len(told) <= 1
    return studies, "".join(told)


def names(studies: Sequence[Study]) -> list[list[str]]:
    return [[i.path.name for i in s.images] for s in studies]


def test_a_folder_with_dicom_and_pictures_gives_both(tmp_path: Path) -> None:
    write_object(tmp_path / "visit/1.dcm")
    film(tmp_path / "visit/2.png")
    film(tmp_path / "visit/below/3.png")
    studies, note = noted([tmp_path])
    assert names(studies) == [["1.dcm"], ["2.png"], ["3.png"]] and not note
    assert data_kind(tmp_path) == "dicom" and index_data(tmp_path) == studies
    assert index_films(tmp_path) == studies


def test_any_number_of_other_files_before_the_first_object(tmp_path: Path) -> None:
    for i in range(250):
        (tmp_path / f"a{i}.txt").write_text("no film")
    write_object(tmp_path / "b/last")
    assert data_kind(tmp_path) == "dicom"
    studies, note = noted([tmp_path])
    assert names(studies) == [["last"]]
    assert "250 left out:\n  250 no film by their first bytes" in note
    assert "a0.txt, a1.txt, a2.txt, a3.txt, a4.txt and 245 more" in note


@pytest.mark.parametrize("name", ["a.webp", "a.jfif", "a.jpe", "a.bmp", "a", "a.ima", "A.JPEG"])
def test_every_ending_is_read(tmp_path: Path, name: str) -> None:
    form = {"a.webp": "WEBP", "a.bmp": "BMP", "a": "PNG", "a.ima": "TIFF"}.get(name, "JPEG")
    film(tmp_path / name, format=form)
    studies, note = noted([tmp_path])
    assert names(studies) == [[name]] and not note
    assert read_radiograph(tmp_path / name).pixels.shape == (20, 20)


def test_bmp_and_webp_hold_the_pixels_of_the_png(tmp_path: Path) -> None:
    expected = np.asarray(Image.open(film(tmp_path / "a.png")), np.float32) / 255
    Image.open(tmp_path / "a.png").save(tmp_path / "a.bmp")
    Image.open(tmp_path / "a.png").save(tmp_path / "a.webp", lossless=True)
    for name in ("a.bmp", "a.webp"):
        np.testing.assert_allclose(read_radiograph(tmp_path / name).pixels, expected, atol=1e-6)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) * 2 // 3])
        with pytest.raises(ImageError, match="damaged or cut short"):
            read_radiograph(tmp_path / name)


def test_words_that_begin_like_a_bmp_are_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("BMI of all patients: see the other table, please")
    with pytest.raises(DatasetError, match=r"(?s)holds no films.*1 no film by their first bytes"):
        index_given([tmp_path])


HIDDEN = (".Trash", ".ipynb_checkpoints", "@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found")


@pytest.mark.parametrize("folder", HIDDEN)
def test_hidden_folders_are_told_and_never_answered(tmp_path: Path, folder: str) -> None:
    film(tmp_path / "visit/1.png")
    film(tmp_path / "visit" / folder / "2.png")
    write_object(tmp_path / folder / "3.dcm")
    add_study(tmp_path / folder, "valid/XR_HAND/patient00001/study1_positive")
    film(tmp_path / "visit/.hidden.png")
    studies, note = noted([tmp_path])
    assert names(studies) == [["1.png"]]
    assert "4 hidden: " in note and folder in note and "visit/.hidden.png" in note
    with pytest.raises(DatasetError, match="neither truth"):
        data_kind(tmp_path)
    assert names(noted([tmp_path / folder])[0])  # asked for by its name it is a folder like others


def test_litter_of_operating_systems_is_not_worth_a_note(tmp_path: Path) -> None:
    film(tmp_path / "1.png")
    for name in ("._1.png", ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX/._1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert names(noted([tmp_path])[0]) == [["1.png"]] and not noted([tmp_path])[1]


def test_linked_folders_are_followed_and_circles_end(tmp_path: Path) -> None:
    film(tmp_path / "archive/p1/1.png")
    write_object(tmp_path / "archive/p2/2.dcm")
    cohort = tmp_path / "cohort"
    film(cohort / "own/3.png")
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


def test_links_to_films_and_to_nothing(tmp_path: Path) -> None:
    film(tmp_path / "x/1.png")
    (tmp_path / "x/2.png").symlink_to("1.png")
    (tmp_path / "x/3").symlink_to("nowhere")
    studies, note = noted([tmp_path])
    assert names(studies) == [["1.png"]]
    assert "1 copies of or links to another film: x/2.png (x/1.png)" in note
    assert "1 a link to nothing: x/3" in note


def test_byte_identical_pictures_of_one_study_are_one_view(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/3.png", "b/1.png"):
        film(tmp_path / name)
    shutil.copy(tmp_path / "a/1.png", tmp_path / "a/2.png")
    shutil.copy(tmp_path / "a/1.png", tmp_path / "b/2.png")  # of another study: its answer's own
    studies, note = noted([tmp_path])
    assert names(studies) == [["1.png", "3.png"], ["1.png", "2.png"]]
    assert "1 left out:\n  1 copies of or links to another film: a/2.png (a/1.png)" in note


def test_large_pictures_that_differ_late_are_two(tmp_path: Path) -> None:
    for name, last in (("1.bmp", 1), ("2.bmp", 2), ("3.bmp", 1)):
        pixels = np.zeros((100, 100), np.uint8)
        pixels[0, -1] = last  # BMP holds rows from below: this is the file's end
        Image.fromarray(pixels).save(tmp_path / name)
    assert names(noted([tmp_path])[0]) == [["1.bmp", "2.bmp"]]


def test_one_object_given_twice_is_one_view(tmp_path: Path) -> None:
    """By its SOP Instance UID: as a copy, by a link, by path and in its folder."""
    write_object(tmp_path / "a/1.dcm", InstanceNumber=1)
    write_object(tmp_path / "a/2.dcm", InstanceNumber=2)
    shutil.copy(tmp_path / "a/1.dcm", tmp_path / "copy.dcm")
    (tmp_path / "link.dcm").symlink_to("a/2.dcm")
    paths = [tmp_path / n for n in ("copy.dcm", "a", "a/1.dcm", "link.dcm", "a/2.dcm")]
    studies, note = noted(paths)
    assert names(studies) == [["copy.dcm", "2.dcm"]]
    assert "4 left out:\n  4 the same object as another file: " in note


def test_one_uid_for_all_objects_does_not_cost_the_views(tmp_path: Path) -> None:
    """Some tools that take names out give every object the same SOP Instance UID."""
    for number in (1, 2):
        write_object(tmp_path / f"{number}.dcm", SOPInstanceUID="1.2.9", InstanceNumber=number)
    assert names(noted([tmp_path])[0]) == [["1.dcm", "2.dcm"]]


def test_objects_without_any_uid_are_told_apart_by_their_bytes(tmp_path: Path) -> None:
    dataset = write_object(tmp_path / "1.dcm")
    dataset.SOPInstanceUID = ""
    dataset.save_as(tmp_path / "1.dcm")
    shutil.copy(tmp_path / "1.dcm", tmp_path / "2.dcm")
    dataset.ViewPosition = "LL"
    dataset.save_as(tmp_path / "3.dcm")
    studies, note = noted([tmp_path])
    assert names(studies) == [["1.dcm", "3.dcm"]] and "2.dcm (1.dcm)" in note


def test_the_same_path_twice_is_one_study(tmp_path: Path) -> None:
    film(tmp_path / "a/1.png")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "2.png").symlink_to("a/1.png")
    twice = [tmp_path / n for n in ("a/1.png", "2.png", "a/../a/1.png", "a", "b")]
    studies, note = noted(twice)
    assert names(studies) == [["1.png"]] and "4 given twice: " in note


def test_a_film_by_name_beside_its_folder_is_a_study_of_its_own(tmp_path: Path) -> None:
    film(tmp_path / "a/1.png")
    film(tmp_path / "a/2.png")
    assert names(noted([tmp_path / "a", tmp_path / "a/1.png"])[0]) == [
        ["1.png", "2.png"],
        ["1.png"],
    ]


@pytest.mark.parametrize(
    "given",
    [
        ["x/patient1/study1", "y/patient1/study1"],
        ["x", "y"],
        ["."],
        ["x/patient1/study1/1.png", "y/patient1/study1/1.png", "z/1.png", "z/1.jpg"],
        ["z/1.png", "z/1.jpg", "z", "z/deep/z/1"],
        ["x/MURA", "y/MURA"],
        ["t.csv", "x", "x/MURA", "z/t.csv"],
    ],
    ids=str,
)
def test_every_key_is_one_studys(tmp_path: Path, given: list[str]) -> None:
    for name in ("x/patient1/study1/1.png", "y/patient1/study1/1.png", "z/1.png", "z/1.jpg"):
        film(tmp_path / name)
    film(tmp_path / "z/deep/z/1", format="PNG")
    for side in "xy":
        film(tmp_path / side / "MURA/valid/XR_HAND/patient00001/study1_positive/image1.png")
    for place in (tmp_path, tmp_path / "z"):
        film(place / "f.png")
        row = "path,patient_id,study_id,body_part,abnormal\nf.png,patient1,study1,,1\n"
        (place / "t.csv").write_text(row)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UlnaWarning)
        studies = index_given([tmp_path / g for g in given])
    keys = [s.key for s in studies]
    assert len(set(keys)) == len(keys) > 1


def test_the_names_of_two_like_folders_say_where_they_lie(tmp_path: Path) -> None:
    """From the report: UNKNOWN/patient1/study1 was the key of two different folders."""
    for side in "xy":
        film(tmp_path / side / "patient1/study1/1.png")
    found = noted([tmp_path / side / "patient1/study1" for side in "xy"])[0]
    assert [s.key for s in found] == ["UNKNOWN/x/patient1/study1", "UNKNOWN/y/patient1/study1"]
    alone = noted([tmp_path / "x/patient1/study1"])[0]
    assert [s.key for s in alone] == ["UNKNOWN/patient1/study1"]


def test_a_header_that_names_another_region_is_told_and_stands_beside_the_answer(
    tmp_path: Path,
) -> None:
    for i, part in enumerate(["KNEE", "KNEE", "CHEST", "L WRIST", "HANDS"]):
        write_object(tmp_path / f"{i}.dcm", BodyPartExamined=part, StudyInstanceUID=f"1.{i}")
    studies, note = noted([tmp_path])
    parts = [s.body_part for s in studies]
    assert parts == [None, None, None, BodyPart.WRIST, BodyPart.HAND]
    assert "3 used with a remark:\n  2 with a header that names KNEE, not one of the seven" in note
    assert [bool(s.remarks) for s in studies] == [True, True, True, False, False]
    assert "KNEE" in studies[0].remarks[0]


def test_damaged_objects_in_a_folder_are_studies_whose_reading_says_so(tmp_path: Path) -> None:
    film(tmp_path / "a.png")
    (tmp_path / "b.dcm").write_bytes(bytes(128) + b"DICM" + b"\xff" * 40)
    (tmp_path / "c.dat").write_bytes(b"\x08\x00" + b"\xff" * 40)  # two bytes like an object's
    (tmp_path / "d.png").write_bytes(b"")
    (tmp_path / "e").write_bytes(b"")
    studies, note = noted([tmp_path])
    assert names(studies) == [["b.dcm"], ["a.png", "d.png"]]
    assert "1 no film by their first bytes" in note and "c.dat" in note and "1 0 bytes: e" in note


def test_a_missing_path_or_an_empty_folder_costs_the_others_nothing(tmp_path: Path) -> None:
    film(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    paths = [tmp_path / n for n in ("empty", "none.png", "a.png", "x" * 300)]
    studies, note = noted(paths)
    assert [s.images[0].path for s in studies] == paths[1:]
    assert "1 folders without a film: " in note
    with pytest.raises(ImageError, match="no such file"):
        read_radiograph(studies[0].images[0].path)
    with pytest.raises(ImageError, match="no such file or folder"):
        index_given([tmp_path / "none.png"])


def test_pipes_are_told_and_not_opened(tmp_path: Path) -> None:
    film(tmp_path / "a.png")
    os.mkfifo(tmp_path / "b.png")
    studies, note = noted([tmp_path])
    assert names(studies) == [["a.png"]] and "1 not a plain file: b.png" in note


def test_what_lies_beside_mura_is_told(tmp_path: Path) -> None:
    add_study(tmp_path / "MURA-v1.1", "valid/XR_HAND/patient00001/study1_positive")
    film(tmp_path / "other/1.png")
    film(tmp_path / "2.png")
    study = tmp_path / "MURA-v1.1/valid/XR_HAND/patient00001/study1_positive"
    film(study / "image2.webp")
    film(study / "image3", format="PNG")
    film(study / "@eaDir/image4.png")
    (study / "notes.txt").write_text("x")
    (study / "image5.png").symlink_to("image1.png")
    film(study.parent / "stray.png")
    film(tmp_path / "MURA-v1.1/test/XR_HAND/patient00002/study1_positive/image1.png")
    with pytest.warns(DatasetWarning) as record:
        (found,) = index_data(tmp_path)
    assert sorted(names([found])[0]) == ["image1.png", "image2.webp", "image3"]
    beside, inside = (str(w.message) for w in record)
    assert "2 beside MURA-v1.1, which alone is read: " in beside and "2.png" in beside
    for line in (
        "1 hidden: valid/XR_HAND/patient00001/study1_positive/@eaDir",
        "1 no film by their first bytes",
        "1 links to another film of the study",
        "1 films outside of a study folder: valid/XR_HAND/patient00001/stray.png",
        "1 folders that do not belong to a MURA tree: test",
    ):
        assert line in inside


def test_data_are_listed_in_two_places_alone(repository: Path) -> None:
    """A new walk of a folder would be one more that can leave something out in silence."""
    listing = ("os.walk", "rglob", "scandir", "listdir(", "iterdir()", ".glob(")
    places = [repository / "src/ulna" / name for name in ("datasets", "cli", "runtime", "imaging")]
    found = {
        file.name
        for place in places
        for file in place.rglob("*.py")
        if any(word in file.read_text("utf-8") for word in listing)
    }
    # The last two ask whether an output folder is empty; find_file looks for one known name.
    assert found == {
        "walk.py", "mura_tree.py", "find_file.py", "crossval_steps.py", "demo_steps.py",
    }  # fmt: skip
