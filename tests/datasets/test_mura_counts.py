"""The full set of MURA: official counts, and 40,000 images indexed in seconds."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from mura_tree import write_csvs, write_full

from ulna.datasets import index_mura
from ulna.datasets.mura_counts import TRAIN, VALID
from ulna.errors import DatasetWarning
from ulna.types import BodyPart


@pytest.fixture
def full() -> Iterator[tuple[Path, list[str]]]:
    """A tree of the full set's shape, in memory where the system has a place for that.

    Removing 40,000 folders takes two minutes on some disks; pytest would keep three copies.
    """
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as place:
        root = Path(place) / "MURA-v1.1"
        names = write_full(root, TRAIN, VALID)
        write_csvs(root, names)
        yield root, names


def test_40000_images_in_seconds_with_the_official_counts(full: tuple[Path, list[str]]) -> None:
    root, names = full
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        studies = index_mura(root)
    assert time.process_time() - start < 10
    train = [s for s in studies if s.split == "train"]
    assert (len(train), len(studies) - len(train)) == (13457, 1199)
    assert sum(len(s.images) for s in train) == 36808
    assert sum(len(s.images) for s in studies) == 36808 + 3197
    elbow = [s for s in train if s.body_part is BodyPart.ELBOW]
    assert sum(not s.abnormal for s in elbow) == 1094 and sum(s.abnormal for s in elbow) == 660

    os.remove(root / names[0])
    for file in root.glob("train_*.csv"):
        file.unlink()
    with pytest.warns(DatasetWarning) as record:
        index_mura(root)
    text = "".join(str(w.message) for w in record)
    assert "counts differ" in text and text.count("official") == 1
    assert "train ELBOW: 2924 normal images, official 2925" in text


def test_official_counts_sum_to_the_published_totals() -> None:
    totals = [tuple(map(sum, zip(*t.values(), strict=True))) for t in (TRAIN, VALID)]
    assert totals == [(8280, 5177, 21935, 14873), (661, 538, 1667, 1530)]
