"""Detection of the kind of data at a path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mura_tree import add_study, write_png

from ulna.datasets import data_kind, index_data
from ulna.errors import DatasetError


def test_mura_itself_and_the_folder_above(tmp_path: Path) -> None:
    root = tmp_path / "MURA-v1.1"
    add_study(root, "valid/XR_HAND/patient00001/study1_positive")
    assert data_kind(root) == data_kind(str(tmp_path)) == "mura"
    assert len(index_data(tmp_path)) == 1


def test_table(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png")
    table = tmp_path / "t.CSV"
    table.write_text("path,patient_id,study_id,body_part,abnormal\na.png,p,s,WRIST,1\n")
    assert data_kind(table) == "table" and len(index_data(table)) == 1


def test_phantom_and_dicom_folders(tmp_path: Path) -> None:
    (tmp_path / "one.bin").write_bytes(bytes(128) + b"DICM")
    assert data_kind(tmp_path) == "dicom"
    (tmp_path / "truth.csv").write_text("")
    assert data_kind(tmp_path) == "phantom"


@pytest.mark.timeout(20)
def test_a_pipe_among_the_files_is_not_opened(tmp_path: Path) -> None:
    """Nobody writes to it: to read its first bytes would never end."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DatasetError, match="neither truth"):
        data_kind(tmp_path)
    (tmp_path / "one.bin").write_bytes(bytes(128) + b"DICM")
    assert data_kind(tmp_path) == "dicom"


def test_anything_else_is_an_error_that_says_what_was_expected(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png")
    for path, message in (
        (tmp_path, r"neither truth.csv .*XR_.*DICOM"),
        (tmp_path / "a.png", "not a .csv or .tsv file"),
        (tmp_path / "none", "no such file"),
    ):
        with pytest.raises(DatasetError, match=message):
            index_data(path)
