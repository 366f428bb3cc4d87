"""Copies of an image are one view, studies are single rows, and every study key is unique.

Laws from issue 15, items 5 and 8.
"""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from dicom_objects import write_object
from distinct_images import image, names, noted
from PIL import Image

from ulna.datasets import index_paths
from ulna.errors import UlnaWarning


def test_links_to_images_and_to_nothing(tmp_path: Path) -> None:
    image(tmp_path / "x/1.png")
    (tmp_path / "x/2.png").symlink_to("1.png")
    (tmp_path / "x/3").symlink_to("nowhere")
    studies, note = noted([tmp_path])
    assert names(studies) == [["1.png"]]
    assert "1 copies of or links to another image: x/2.png (x/1.png)" in note
    assert "1 a link to nothing: x/3" in note


def test_byte_identical_pictures_of_one_study_are_one_view(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/3.png", "b/1.png"):
        image(tmp_path / name)
    shutil.copy(tmp_path / "a/1.png", tmp_path / "a/2.png")
    shutil.copy(tmp_path / "a/1.png", tmp_path / "b/2.png")  # of another study: its answer's own
    studies, note = noted([tmp_path])
    assert names(studies) == [["1.png", "3.png"], ["1.png", "2.png"]]
    assert "1 left out:\n  1 copies of or links to another image: a/2.png (a/1.png)" in note


def test_large_pictures_that_differ_late_are_two(tmp_path: Path) -> None:
    for name, last in (("1.tif", 1), ("2.tif", 2), ("3.tif", 1)):
        pixels = np.zeros((100, 100), np.uint8)
        pixels[-1, -1] = last
        Image.fromarray(pixels).save(tmp_path / name)
    assert names(noted([tmp_path])[0]) == [["1.tif", "2.tif"]]


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
    image(tmp_path / "a/1.png")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "2.png").symlink_to("a/1.png")
    twice = [tmp_path / n for n in ("a/1.png", "2.png", "a/../a/1.png", "a", "b")]
    studies, note = noted(twice)
    assert names(studies) == [["1.png"], ["1.png"]] and "3 given twice: " in note  # image, folder


def test_an_image_by_name_beside_its_folder_is_a_study_of_its_own(tmp_path: Path) -> None:
    image(tmp_path / "a/1.png")
    image(tmp_path / "a/2.png")
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
        image(tmp_path / name)
    image(tmp_path / "z/deep/z/1", format="PNG")
    for side in "xy":
        image(tmp_path / side / "MURA/valid/XR_HAND/patient00001/study1_positive/image1.png")
    for place in (tmp_path, tmp_path / "z"):
        image(place / "f.png")
        row = "path,patient_id,study_id,body_part,abnormal\nf.png,patient1,study1,,1\n"
        (place / "t.csv").write_text(row)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UlnaWarning)
        studies = index_paths([tmp_path / g for g in given])
    keys = [s.key for s in studies]
    assert len(set(keys)) == len(keys) > 1


def test_the_names_of_two_like_folders_say_where_they_lie(tmp_path: Path) -> None:
    """From the report: UNKNOWN/patient1/study1 was the key of two different folders."""
    for side in "xy":
        image(tmp_path / side / "patient1/study1/1.png")
    result = noted([tmp_path / side / "patient1/study1" for side in "xy"])[0]
    assert [s.key for s in result] == ["UNKNOWN/x/patient1/study1", "UNKNOWN/y/patient1/study1"]
    alone = noted([tmp_path / "x/patient1/study1"])[0]
    assert [s.key for s in alone] == ["UNKNOWN/patient1/study1"]
