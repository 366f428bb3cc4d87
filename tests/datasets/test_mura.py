"""MURA folders, valid and invalid."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
from mura_tree import add_study, write_csvs

from ulna.datasets import index_mura
from ulna.errors import DatasetError, DatasetWarning, SplitError
from ulna.types import BodyPart

REGIONS = [p.value for p in BodyPart]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Seven regions, one normal train and one abnormal valid study each, with CSVs."""
    base = tmp_path / "MURA-v1.1"
    names: list[str] = []
    for number, region in enumerate(REGIONS):
        names += add_study(base, f"train/XR_{region}/patient{number:05d}/study1_negative", 12)
        names += add_study(base, f"valid/XR_{region}/patient{number + 50:05d}/study2_positive")
    write_csvs(base, names)
    return base


def remove_csvs(root: Path) -> None:
    for file in root.glob("*.csv"):
        file.unlink()


def test_reads_every_region_split_and_label(root: Path) -> None:
    studies = index_mura(root)
    assert [s.body_part for s in studies] == [*BodyPart, *BodyPart]
    assert [s.split for s in studies] == ["train"] * 7 + ["valid"] * 7
    assert [s.abnormal for s in studies] == [False] * 7 + [True] * 7
    assert studies[0].key == "ELBOW/patient00000/study1"
    assert [i.path.name for i in studies[0].images] == [f"image{j}.png" for j in range(1, 13)]
    assert all(i.path.is_file() for s in studies for i in s.images)


def test_same_studies_without_csvs_and_from_the_folder_above(root: Path) -> None:
    expected = index_mura(root)
    assert index_mura(root.parent) == expected
    remove_csvs(root)
    assert index_mura(str(root)) == expected


def test_v1_0_by_its_own_name(root: Path, tmp_path: Path) -> None:
    older = root.rename(tmp_path / "MURA-v1.0")
    names = [p.relative_to(older).as_posix() for p in older.rglob("*.png")]
    write_csvs(older, names)
    assert len(index_mura(tmp_path)) == 14


def test_v1_0_csvs_with_an_image_and_a_label_on_each_line(root: Path) -> None:
    expected = index_mura(root)
    remove_csvs(root)
    names = sorted(p.relative_to(root.parent).as_posix() for p in root.rglob("*.png"))
    lines = [f"{n},{int('positive' in n)}" for n in names]
    for split in ("train", "valid"):
        own = [line for line in lines if f"/{split}/" in line]
        (root / f"{split}.csv").write_text("\n".join(own))
    assert index_mura(root) == expected
    (root / "train.csv").write_text("\n".join([*lines[:11], lines[11].replace(",0", ",1")]))
    with pytest.raises(DatasetError, match=r"train\.csv: 1 lines contradict the label"):
        index_mura(root)


def test_study_without_any_label_is_a_warning(root: Path) -> None:
    remove_csvs(root)
    study = root / "valid/XR_HAND/patient00053/study2_positive"
    study.rename(study.with_name("study2"))
    with pytest.warns(DatasetWarning, match=r"(?s)1 studies have no label.*HAND/patient00053"):
        assert [s.abnormal for s in index_mura(root)].count(None) == 1


@pytest.mark.parametrize("bom", [False, True])
@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("crlf", [False, True])
def test_circulating_copies_of_the_csvs(root: Path, header: bool, crlf: bool, bom: bool) -> None:
    expected = index_mura(root)
    names = [p.relative_to(root).as_posix() for p in sorted(root.rglob("*.png"))]
    write_csvs(root, names, header=header, crlf=crlf)
    if bom:
        for file in root.glob("*.csv"):
            file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert index_mura(root) == expected


def test_a_single_missing_csv_is_fine(root: Path) -> None:
    expected = index_mura(root)
    (root / "train_labeled_studies.csv").unlink()
    assert index_mura(root) == expected


def test_study_missing_in_its_csv_keeps_its_folder_label_with_a_warning(root: Path) -> None:
    expected = index_mura(root)
    file = root / "train_labeled_studies.csv"
    file.write_text("\n".join(file.read_text().splitlines()[1:]))
    with pytest.warns(DatasetWarning, match=r"(?s)1 studies are in no CSV.*XR_ELBOW"):
        assert index_mura(root) == expected


def test_labels_come_from_the_csv_where_the_folder_has_none(root: Path) -> None:
    study = root / "valid/XR_HAND/patient00053/study2_positive"
    study.rename(study.with_name("study2"))
    for file in root.glob("valid*.csv"):
        file.write_text(
            file.read_text().replace("patient00053/study2_positive", "patient00053/study2")
        )
    result = next(s for s in index_mura(root) if s.patient_id == "patient00053")
    assert result.abnormal is True and result.study_id == "study2"


def test_apple_double_and_hidden_files_are_skipped(root: Path) -> None:
    expected = index_mura(root)
    study = root / "train/XR_WRIST/patient00006/study1_negative"
    (study / "._image1.png").write_bytes(b"\x00\x05\x16\x07")
    (study / ".DS_Store").write_bytes(b"x")
    (root / "train/._XR_WRIST").write_bytes(b"x")
    (root / "train/__MACOSX").mkdir()
    assert index_mura(root) == expected


def test_contradicting_label_is_an_error_that_lists_the_studies(root: Path) -> None:
    file = root / "train_labeled_studies.csv"
    file.write_text(file.read_text().replace(",0", ",1"))
    with pytest.raises(
        DatasetError, match=r"(?s)7 studies.*XR_ELBOW/patient00000.*CSV says 1"
    ) as info:
        index_mura(root)
    assert str(info.value).count("patient") == 7


def test_one_study_under_both_labels_is_an_error(root: Path) -> None:
    remove_csvs(root)
    add_study(root, "train/XR_ELBOW/patient00000/study1_positive")
    with pytest.raises(DatasetError, match="1 studies have contradictory labels"):
        index_mura(root)


def test_contradictions_in_one_csv_are_an_error_with_lines(root: Path) -> None:
    file = root / "valid_labeled_studies.csv"
    first = file.read_text().splitlines()[0]
    file.write_text(file.read_text() + first.replace(",1", ",0") + "\n")
    with pytest.raises(DatasetError, match=r"line 8: .*patient00050"):
        index_mura(root)


@pytest.mark.parametrize("line", ["MURA-v1.1/train/XR_ELBOW/p/study1/,2", "nonsense,0", "a,b,c"])
def test_malformed_csv_line_is_an_error_with_its_number(root: Path, line: str) -> None:
    file = root / "train_labeled_studies.csv"
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(DatasetError, match="line 8"):
        index_mura(root)


def test_csv_that_is_no_text_is_an_error(root: Path) -> None:
    (root / "train_image_paths.csv").write_bytes(b"\xff\xfe\x00M")
    with pytest.raises(DatasetError, match="UTF-8"):
        index_mura(root)


def test_patient_in_both_splits_is_a_split_error(root: Path) -> None:
    remove_csvs(root)
    for number in range(12):
        add_study(root, f"train/XR_WRIST/patient{number:05d}/study9_negative")
        add_study(root, f"valid/XR_WRIST/patient{number:05d}/study8_negative")
    with pytest.raises(SplitError, match=r"(?s)12 patients.*patient00009\n  and 2 more") as info:
        index_mura(root)
    assert "patient00000" in str(info.value)


def test_unknown_region_is_named_with_the_known_ones(root: Path) -> None:
    add_study(root, "train/XR_KNEE/patient00900/study1_negative")
    with pytest.raises(DatasetError, match=r"XR_KNEE: unknown region.*XR_ELBOW, .*XR_WRIST"):
        index_mura(root)


def test_csv_paths_without_files_are_a_warning(root: Path) -> None:
    lost = root / "train/XR_HAND/patient00003/study1_negative"
    for image in lost.iterdir():
        image.unlink()
    lost.rmdir()
    with pytest.warns(DatasetWarning) as record:
        studies = index_mura(root)
    text = "".join(str(w.message) for w in record)
    assert "1 studies that the CSVs list have no folder" in text
    assert "12 images that the CSVs list are not there" in text and "and 2 more" in text
    assert len(studies) == 13


def test_image_in_no_csv_is_used_with_a_warning(root: Path) -> None:
    image = root / "train/XR_HAND/patient00003/study1_negative/image1.png"
    os.link(image, image.with_name("image99.png"))
    with pytest.warns(DatasetWarning, match=r"(?s)1 images are in no CSV.*image99"):
        studies = index_mura(root)
    assert sum(len(s.images) for s in studies) == 92


def test_unreadable_images_are_named_counted_and_left_out(root: Path) -> None:
    study = root / "train/XR_HAND/patient00003/study1_negative"
    for name, data in (("image1", b""), ("image2", b"not a picture"), ("image3", b"GIF89a")):
        (study / f"{name}.png").unlink()
        (study / f"{name}.png").write_bytes(data)
    with pytest.warns(DatasetWarning, match=r"3 unreadable images(.|\n)*image1.png: 0 bytes"):
        studies = index_mura(root)
    hand = next(s for s in studies if s.key == "HAND/patient00003/study1")
    assert [i.path.name for i in hand.images] == [f"image{j}.png" for j in range(4, 13)]
    assert len(index_mura(root, check_images=False)[3].images) == 12


def test_study_without_a_readable_image_is_dropped_with_a_warning(root: Path) -> None:
    image = root / "valid/XR_HAND/patient00053/study2_positive/image1.png"
    image.unlink()
    image.write_bytes(b"")
    with pytest.warns(DatasetWarning, match="1 studies have no image left"):
        assert len(index_mura(root)) == 13


def test_empty_and_odd_folders_are_named(root: Path) -> None:
    (root / "train/XR_HAND/patient00900/study1_negative").mkdir(parents=True)
    (root / "train/XR_HAND/patient00901/series").mkdir(parents=True)
    with pytest.warns(DatasetWarning) as record:
        assert len(index_mura(root)) == 14
    text = "".join(str(w.message) for w in record)
    assert "1 study folders without images" in text and "patient00901/series" in text


def test_folders_that_are_no_mura(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such folder"):
        index_mura(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="expected an unpacked MURA"):
        index_mura(tmp_path)
    (tmp_path / "train/XR_HAND").mkdir(parents=True)
    with pytest.raises(DatasetError, match="no studies: expected"):
        index_mura(tmp_path)


def test_two_copies_in_one_folder_must_be_told_apart(root: Path, tmp_path: Path) -> None:
    add_study(tmp_path / "MURA-v1.0", "train/XR_HAND/patient00001/study1_negative")
    with pytest.raises(DatasetError, match="2 MURA folders"):
        index_mura(tmp_path)


def test_subset_is_not_compared_with_the_official_counts(root: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        index_mura(root)
