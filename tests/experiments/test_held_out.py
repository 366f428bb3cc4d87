"""The choice of test studies: training studies of a run are never used without a warning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ulna.config.codec import write_json
from ulna.errors import ConfigError, DatasetError, DatasetWarning
from ulna.experiments.held_out import (
    calibration_studies,
    run_of_bundle,
    run_split,
    with_test_part,
)
from ulna.experiments.held_out import (
    test_studies as choose_test_studies,
)
from ulna.recipes import RECIPES
from ulna.training.fingerprint import fingerprint_studies
from ulna.types import BodyPart, ImageRef, Study


def _studies(n: int, split: str = "") -> list[Study]:
    return [
        Study(
            f"p{i}", "s1", BodyPart.WRIST, (ImageRef(Path(f"{split}{i}.png")),), i % 2 == 0, split
        )
        for i in range(n)
    ]


def _run(folder: Path, studies: list[Study], **sizes: int) -> Path:
    """Write a run folder whose parts have `sizes` studies each, in order."""
    folder.mkdir()
    keys = [s.key for s in studies]
    split, start = {}, 0
    for name, size in sizes.items():
        split[name] = keys[start : start + size]
        start += size
    used = studies[:start]
    write_json(split, folder / "split.json")
    write_json(fingerprint_studies(used, "table", "t"), folder / "data.json")
    return folder


def test_studies_held_out_by_the_data_come_first(tmp_path: Path) -> None:
    held = [replace(s, patient_id=f"v{s.patient_id}") for s in _studies(4, "valid")]
    studies = _studies(10, "train") + held
    run = _run(tmp_path / "run", studies, train=6, tune=2, calibration=2)
    chosen, words = choose_test_studies(studies, "", run)
    assert chosen == held
    assert words == "4 studies (held out by the data set)"


def test_the_runs_test_part_comes_next(tmp_path: Path) -> None:
    studies = _studies(10)
    run = _run(tmp_path / "run", studies, train=5, tune=1, calibration=1, test=3)
    chosen, _ = choose_test_studies(studies, "", run)
    assert [s.key for s in chosen] == run_split(run)["test"]


def test_then_what_the_run_never_used(tmp_path: Path) -> None:
    studies = _studies(10)
    run = _run(tmp_path / "run", studies, train=5, tune=1, calibration=1)
    assert choose_test_studies(studies, "", run)[0] == studies[7:]


def test_all_studies_can_be_scored_with_a_warning(tmp_path: Path) -> None:
    studies = _studies(10)
    run = _run(tmp_path / "run", studies, train=5, tune=1, calibration=1, test=3)
    with pytest.warns(DatasetWarning, match="7 of 10 studies were used to train"):
        chosen, _ = choose_test_studies(studies, "all", run)
    assert chosen == studies


def _turned(studies: list[Study]) -> list[Study]:
    return [replace(s, abnormal=not s.abnormal) for s in studies]


def test_equal_keys_of_other_phantoms_are_no_overlap(tmp_path: Path) -> None:
    """Phantoms are numbered from 1 in every set, so equal keys mean nothing."""
    run = _run(tmp_path / "run", _studies(10), train=5, tune=1, calibration=1)
    write_json(fingerprint_studies(_studies(10)[:7], "phantom", "p"), run / "data.json")
    others = _turned(_studies(10))
    assert choose_test_studies(others, "all", run)[0] == others


@pytest.mark.parametrize("split", ["", "all"])
def test_a_corrected_label_does_not_hide_training_studies(tmp_path: Path, split: str) -> None:
    """One corrected cell of the table changes the hash of the data."""
    studies = _studies(10)
    run = _run(tmp_path / "run", studies, train=5, tune=1, calibration=1)
    mended = [*_turned(studies[:1]), *studies[1:]]
    with pytest.warns(DatasetWarning, match=r"7 of 10 studies have the ids .* other labels"):
        chosen, _ = choose_test_studies(mended, split, run)
    assert chosen == mended


def test_nothing_to_test_on_is_an_error() -> None:
    unlabelled = [replace(s, abnormal=None) for s in _studies(3)]
    with pytest.raises(DatasetError, match="0 are labelled"):
        choose_test_studies(unlabelled, "", None)
    with pytest.raises(DatasetError, match="none is held out"):
        choose_test_studies(_studies(3), "valid", None)


def test_calibration_part_only_and_only_of_the_same_data(tmp_path: Path) -> None:
    studies = _studies(10)
    run = _run(tmp_path / "run", studies, train=5, tune=1, calibration=2)
    assert calibration_studies(studies, run) == studies[6:8]
    with pytest.raises(ConfigError, match="not those of"):
        calibration_studies(studies[1:], run)


def test_a_test_part_is_cut_only_where_there_is_none() -> None:
    demo = RECIPES["demo"]()
    cut = with_test_part(demo, _studies(4), 0.25)
    assert cut.fractions["test"] == 0.25
    assert sum(cut.fractions.values()) == pytest.approx(1)
    assert with_test_part(cut, _studies(4), 0.5) == cut
    assert with_test_part(demo, _studies(4, "valid"), 0.25) == demo


def test_folders_that_are_no_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no split\.json"):
        run_split(tmp_path)
    (tmp_path / "split.json").write_text("[1, 2]")
    with pytest.raises(ConfigError, match="damaged"):
        run_split(tmp_path)
    assert run_of_bundle(tmp_path / "bundle") == tmp_path
    assert run_of_bundle(tmp_path / "else" / "bundle") is None
