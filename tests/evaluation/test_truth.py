"""Masks and boxes of findings."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ulna.errors import DatasetError
from ulna.evaluation.truth import locate, read_truth
from ulna.types import Finding, ImageRef


def written(path: Path, mask: np.ndarray) -> Path:
    Image.fromarray(mask).save(path)
    return path


def test_mask_file_wins_over_boxes(tmp_path: Path) -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[3:5, 6:9] = 255
    ref = ImageRef(Path("a.png"), findings=(Finding((0, 0, 30, 20)),), mask=None)
    assert read_truth(ref, (20, 30)).all()
    masked = ImageRef(Path("a.png"), findings=ref.findings, mask=written(tmp_path / "m.png", mask))
    np.testing.assert_array_equal(read_truth(masked, (20, 30)), mask > 0)


def test_colour_mask_is_one_mask(tmp_path: Path) -> None:
    mask = np.zeros((20, 30, 3), np.uint8)
    mask[3, 4, 2] = 9
    ref = ImageRef(Path("a.png"), mask=written(tmp_path / "m.png", mask))
    assert np.argwhere(read_truth(ref, (20, 30))).tolist() == [[3, 4]]


def test_unknown_or_empty_is_none(tmp_path: Path) -> None:
    assert read_truth(ImageRef(Path("a.png")), (20, 30)) is None
    empty = written(tmp_path / "m.png", np.zeros((20, 30), np.uint8))
    assert read_truth(ImageRef(Path("a.png"), mask=empty), (20, 30)) is None


@pytest.mark.parametrize("kind", ["missing", "text", "size"])
def test_bad_mask_names_its_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mask_of_a.png"
    if kind == "text":
        path.write_text("no picture")
    if kind == "size":
        written(path, np.zeros((5, 5), np.uint8))
    with pytest.raises(DatasetError, match=r"mask_of_a\.png"):
        read_truth(ImageRef(Path("a.png"), mask=path), (20, 30))


def test_a_map_equal_to_the_mask_is_perfect() -> None:
    mask = np.zeros((40, 40), bool)
    mask[10:20, 10:20] = True
    result = locate(np.where(mask, 3.0, -1.0).astype(np.float32), mask, 1.0)
    assert (result.pointing, result.energy, result.iou) == (1, 1, 1)
    assert result.pointing_chance > result.energy_chance == 100 / 1600
