"""Held-out studies that initial weights have learned from are reported (leakage)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.training.tiny import make_recipe

from ulna.config.codec import write_json
from ulna.config.recipe import ExpertConfig, InitialWeights
from ulna.errors import ConfigError, DatasetWarning
from ulna.training.fingerprint import fingerprint_studies
from ulna.training.leakage import warn_of_leakage
from ulna.types import BodyPart, ImageRef, Study


def _studies(simulated: bool = False) -> list[Study]:
    return [
        Study(
            f"p{i}", "s", BodyPart.WRIST, (ImageRef(Path(f"{i}.png")),), bool(i % 2),
            simulated=simulated,
        )
        for i in range(10)
    ]  # fmt: skip


STUDIES = _studies()
KEYS = [s.key for s in STUDIES]
PARTS = {"train": KEYS[:6], "tune": [], "calibration": KEYS[6:8], "test": KEYS[8:]}


def _run(folder: Path, train: Sequence[str], studies: Sequence[Study] = STUDIES) -> Path:
    folder.mkdir(parents=True)
    rest = [s.key for s in studies if s.key not in train]
    write_json({"train": [*train], "tune": [], "calibration": rest}, folder / "split.json")
    write_json(fingerprint_studies(studies, "table", "t.csv"), folder / "data.json")
    return folder


def _message(
    start: Path, studies: Sequence[Study] = STUDIES, parts: Mapping[str, Sequence[str]] = PARTS
) -> list[str]:
    expert = ExpertConfig("cnn", "cnn", initial=InitialWeights("run", str(start)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DatasetWarning)
        warn_of_leakage(make_recipe(experts=(expert,)), studies, parts)
    return [str(w.message) for w in caught]


def test_a_start_that_knows_what_calibrates_is_told(tmp_path: Path) -> None:
    """Fold 0 of a cross-validation has learned from most of what another split sets aside."""
    (tmp_path / "cv").mkdir()
    (tmp_path / "cv/crossval.json").write_text("{}")
    _run(tmp_path / "cv/fold0", KEYS[2:9])
    calibration, test = _message(tmp_path / "cv")
    assert "2 of the 2 studies of the calibration part" in calibration
    assert "1 of the 2 studies of the test part" in test and "fold0" in test


def test_the_same_split_and_other_phantoms_are_no_matter(tmp_path: Path) -> None:
    assert not _message(_run(tmp_path / "same", KEYS[:6]))
    assert not _message(tmp_path / "no-run")
    phantoms = _studies(simulated=True)
    start = _run(tmp_path / "phantoms", KEYS[4:], phantoms)
    others = [replace(s, abnormal=not s.abnormal) for s in phantoms]
    assert not _message(start, others)
    assert len(_message(start, phantoms)) == 2


def test_a_damaged_split_is_said(tmp_path: Path) -> None:
    run = _run(tmp_path / "run", KEYS)
    (run / "split.json").write_text("[]")
    with pytest.raises(ConfigError, match="split.json: damaged"):
        _message(run)
