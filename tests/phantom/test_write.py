"""A data set on disk: equal bytes however it is made, and read back correctly."""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ulna.config.phantom import PhantomConfig
from ulna.datasets import index_mura, index_phantoms
from ulna.errors import DatasetError, UlnaError
from ulna.phantom import write_contact_sheet, write_phantoms
from ulna.phantom.write import COLUMNS

CONFIG = PhantomConfig(9, 3, size=96, abnormal_share=0.7, valid_share=0.34)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantoms(tmp_path_factory.mktemp("one") / "set", CONFIG, workers=1)


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


def _truth(root: Path) -> list[dict[str, str]]:
    with (root / "truth.csv").open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert tuple(reader.fieldnames or ()) == COLUMNS
    return rows


def test_same_bytes_twice_and_with_two_workers(root: Path, tmp_path: Path) -> None:
    again = write_phantoms(tmp_path / "again" / "set", CONFIG, workers=1)
    shared = write_phantoms(tmp_path / "shared" / "set", CONFIG, workers=2)
    assert _hashes(root) == _hashes(again) == _hashes(shared)


def test_another_seed_gives_other_bytes(root: Path, tmp_path: Path) -> None:
    other = write_phantoms(tmp_path / "set", replace(CONFIG, seed=4), workers=1)
    mine = {h for p, h in _hashes(root).items() if p.endswith(".png")}
    assert not mine & {h for p, h in _hashes(other).items() if p.endswith(".png")}


def test_both_indexes_read_it_back(root: Path) -> None:
    official, known = index_mura(root), index_phantoms(root)
    assert len(official) == len(known) == CONFIG.studies
    assert [(s.patient_id, s.abnormal, s.split) for s in official] == [
        (s.patient_id, s.abnormal, s.split) for s in known
    ]
    for study in known:
        assert all(i.path.is_file() and i.view for i in study.images)
        assert bool(study.categories) is study.abnormal
        assert any(i.mask for i in study.images) is study.abnormal
    note = json.loads((root / "phantom.json").read_text())
    assert note["config"]["studies"] == 9 and note["generator"] >= 1


def test_csvs_are_those_of_mura(root: Path) -> None:
    for split in ("train", "valid"):
        images = (root / f"{split}_image_paths.csv").read_text().splitlines()
        assert images and all(p.startswith(f"{root.name}/{split}/XR_") for p in images)
        assert all((root.parent / p).is_file() for p in images)
        rows = [r.split(",") for r in (root / f"{split}_labeled_studies.csv").read_text().split()]
        assert all(f.endswith(("positive/", "negative/")) for f, _ in rows)
        assert all((f.endswith("positive/")) is (label == "1") for f, label in rows)
        on_disk = {p.relative_to(root.parent).as_posix() for p in (root / split).rglob("*.png")}
        assert on_disk == set(images)


def test_boxes_enclose_the_masks(root: Path) -> None:
    boxes: dict[str, list[tuple[int, ...]]] = defaultdict(list)
    for row in _truth(root):
        assert (row["mask"] != "") is (row["category"] != "")
        if row["mask"]:
            box = tuple(int(row[f"box_{c}"]) for c in "xywh")
            boxes[row["mask"]].append(box)
    assert boxes
    assert boxes.keys() == {p.relative_to(root).as_posix() for p in (root / "masks").rglob("*.png")}
    for path, own in boxes.items():
        with Image.open(root / path) as picture:
            mask = np.asarray(picture)
        assert set(np.unique(mask)) == {0, 255}
        with Image.open(root / path.removeprefix("masks/")) as image:
            assert mask.shape == image.size[::-1]
        covered = np.zeros(mask.shape, bool)
        for x, y, w, h in own:
            part = mask[y : y + h, x : x + w] > 0
            assert part.shape == (h, w)
            assert part[0].any() and part[-1].any() and part[:, 0].any() and part[:, -1].any()
            covered[y : y + h, x : x + w] = True
        assert covered[mask > 0].all()


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(DatasetError, match="not empty"):
        write_phantoms(tmp_path, CONFIG, workers=1)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(DatasetError, match="a file"):
        write_phantoms(tmp_path / "thesis.txt", CONFIG, workers=1)


def test_a_whole_set_is_not_overwritten(root: Path) -> None:
    before = _hashes(root)
    with pytest.raises(DatasetError, match="whole phantom set"):
        write_phantoms(root, CONFIG, workers=1)
    assert _hashes(root) == before


def test_an_interrupted_set_is_finished_with_its_own_settings_only(tmp_path: Path) -> None:
    small = replace(CONFIG, studies=2)
    out = write_phantoms(tmp_path / "set", small, workers=1)
    whole = _hashes(out)
    (out / "truth.csv").unlink()
    with pytest.raises(DatasetError, match="other settings"):
        write_phantoms(out, replace(small, seed=8), workers=1)
    write_phantoms(out, small, workers=1)
    assert _hashes(out) == whole


def test_progress_counts_every_study(tmp_path: Path) -> None:
    reported: list[tuple[int, int]] = []
    small = replace(CONFIG, studies=3)
    write_phantoms(tmp_path / "set", small, workers=1, progress=lambda *a: reported.append(a))
    assert reported == [(1, 3), (2, 3), (3, 3)]


def test_contact_sheet_has_a_tile_for_each_view(tmp_path: Path) -> None:
    path = write_contact_sheet(tmp_path / "a" / "sheet.png", replace(CONFIG, studies=3))
    with Image.open(path) as sheet:
        assert sheet.size[0] == 8 * 224 and sheet.size[1] % 224 == 0


@pytest.mark.slow
def test_a_killed_worker_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    """The system kills a worker if memory is short; a pool without it would wait for ever."""

    def kill(done: int, total: int) -> None:
        if done == 1:
            multiprocessing.active_children()[0].kill()

    with pytest.raises(UlnaError, match=r"out of memory: .*the same command begins") as caught:
        write_phantoms(tmp_path / "set", replace(CONFIG, studies=40), 2, kill)
    assert caught.value.exit_code == 1
    assert not (tmp_path / "set/truth.csv").exists()
