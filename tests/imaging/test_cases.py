"""The images of ../shared/cases on which other readers failed, and the checker itself."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from image_bytes import encoded, ramp
from PIL import Image
from pydicom.data import get_testdata_file
from scripts.cases import Case, fault_of, inner_words, main, read_cases

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "cases"
CASES = read_cases(FOLDER) if (FOLDER / "cases.csv").is_file() else []


@pytest.mark.skipif(not CASES, reason="no images beside this repository (../shared/cases)")
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.file.removeprefix("files/"))
def test_an_image_that_others_stumbled_over(case: Case) -> None:
    assert fault_of(case) == "", case.what


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images of each kind, read as their rows state."""
    grey = ramp()
    np.save(tmp_path / "ramp.npy", grey / np.float32(255))
    (tmp_path / "ramp.png").write_bytes(encoded(Image.fromarray(grey)))
    (tmp_path / "flat.png").write_bytes(encoded(Image.new("L", (32, 32), 9)))
    (tmp_path / "text.png").write_bytes(b"no image at all")
    return tmp_path


def _write(folder: Path, *rows: tuple[str, ...]) -> None:
    with (folder / "cases.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["file", "kind", "expected", "tolerance", "met_by", "what"])
        writer.writerows([(*row, "a report", "odd") for row in rows])


def test_what_is_right_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _write(
        folder,
        ("ramp.png", "pixels", "ramp.npy", "0.002"),
        ("flat.png", "note", "equal", ""),
        ("flat.png", "note", "", ""),
        ("text.png", "refuse", "", ""),
    )
    assert main([str(folder)]) == 0
    assert "4 right, 0 wrong" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("flat.png", "pixels", "ramp.npy", "0.002"), "read as (32, 32): expected (24, 32)"),
        (("dark.png", "pixels", "ramp.npy", "0.002"), "off by 0.5"),
        (("text.png", "pixels", "ramp.npy", "0.002"), "refused: "),
        (("ramp.png", "pixels", "none.npy", "0.002"), "ended in FileNotFoundError"),
        (("ramp.png", "note", "", ""), "read without a note"),
        (("flat.png", "note", "frames", ""), "no note says 'frames'"),
        (("ramp.png", "refuse", "", ""), "read, and it must be refused"),
        (("ramp.png", "guess", "", ""), "kind 'guess'"),
    ],
)
def test_what_is_wrong_fails(
    folder: Path, row: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "dark.png").write_bytes(encoded(Image.fromarray(ramp() // 2)))
    _write(folder, row)
    assert main([str(folder)]) == 1
    assert message in capsys.readouterr().out


def test_the_part_is_what_the_index_says(tmp_path: Path) -> None:
    path = Path(str(get_testdata_file("JPEG2000.dcm", download=False)))
    (tmp_path / "image.dcm").write_bytes(path.read_bytes())
    assert "refused" in fault_of(Case(tmp_path, "image.dcm", "part", "WRIST", 0, ""))  # modality NM


def test_a_folder_without_cases_is_said(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 2


@pytest.mark.parametrize(
    "text",
    [
        "image: damaged (ValueError: x)",
        "image: <_io.BytesIO object at 0x7f0a1b2c3d4e>",
        "image: struct.error / OSError",
        "image: PIL.UnidentifiedImageError",
    ],
)
def test_inner_words_are_seen(text: str) -> None:
    assert inner_words(text)


@pytest.mark.parametrize("text", ["image: begins with b'\\x00\\x01': expected a PNG", "errors: 3"])
def test_plain_words_are_not(text: str) -> None:
    assert not inner_words(text)
