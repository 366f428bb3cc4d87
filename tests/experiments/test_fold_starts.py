"""Initial weights in a cross-validation: never trained on the studies that test them."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ulna.config.codec import write_json
from ulna.config.recipe import Recipe
from ulna.errors import ConfigError, DatasetWarning
from ulna.experiments.fold_starts import warn_of_leakage, with_begun_starts, with_fold_starts
from ulna.experiments.recipe_choice import choose_recipe
from ulna.training.fingerprint import fingerprint_studies
from ulna.training.folder import with_recorded_starts
from ulna.types import BodyPart, ImageRef, Study


def _source(name: str, n: int) -> list[Study]:
    return [
        Study(
            f"{name}.p{i}", f"{name}.s{i}", BodyPart.WRIST, (ImageRef(Path(f"{name}{i}.png")),),
            bool(i % 2), source=name,
        )
        for i in range(n)
    ]  # fmt: skip


OWN, AWAY = _source("own", 10), _source("away", 6)


def _run(folder: Path, studies: Sequence[Study], kind: str = "sources") -> Path:
    folder.mkdir(parents=True)
    keys = [s.key for s in studies]
    write_json({"train": keys, "tune": [], "calibration": []}, folder / "split.json")
    write_json(fingerprint_studies(studies, kind, "s.csv"), folder / "data.json")
    return folder


def _recipe(start: Path, name: str = "pretrain") -> Recipe:
    return choose_recipe(name, initial=[f"run:{start}"])


def test_a_cross_validation_trained_on_a_left_out_source_is_refused(tmp_path: Path) -> None:
    """The scores of an unseen hospital would be those of one used for the initial weights."""
    (tmp_path / "crossval.json").write_text("{}")
    _run(tmp_path / "fold0", [*OWN[5:], *AWAY])
    _run(tmp_path / "fold1", OWN[:5])
    recipe = _recipe(tmp_path)
    with pytest.raises(ConfigError, match=r"6 of the 6 studies of sources that are left out"):
        with_fold_starts(recipe, 0, OWN[:5], OWN, AWAY)
    with pytest.raises(ConfigError, match=r"5 of the 5 studies that fold 1 holds out"):
        with_fold_starts(recipe, 1, OWN[:5], OWN, AWAY)
    (expert,) = with_fold_starts(recipe, 1, OWN[5:], OWN, AWAY).experts
    assert expert.initial.path == str(tmp_path / "fold1")


def test_ids_of_a_source_read_by_itself_may_be_those_of_another(tmp_path: Path) -> None:
    """Numbers of patients may coincide: such a start is a warning and no error."""
    alone = [replace(s, patient_id=f"p{i}", study_id=f"s{i}", source="") for i, s in enumerate(OWN)]
    (tmp_path / "crossval.json").write_text("{}")
    _run(tmp_path / "fold0", alone[5:])
    for name in ("split.json", "data.json"):
        shutil.copy(_run(tmp_path / f"whole-{name}", alone) / name, tmp_path / name)
    (expert,) = with_fold_starts(_recipe(tmp_path), 0, OWN[:5], OWN, AWAY).experts
    assert expert.initial.path == str(tmp_path / "fold0")
    (message,) = _message(_recipe(tmp_path), OWN, AWAY)
    assert "studies with the ids of 6 of the 6 studies that are left out" in message


def _message(recipe: Recipe, studies: Sequence[Study], away: Sequence[Study] = ()) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DatasetWarning)
        warn_of_leakage(recipe, [*studies, *away], studies, away)
    return [str(w.message) for w in caught]


def test_a_run_trained_on_a_left_out_source_is_reported(tmp_path: Path) -> None:
    (message,) = _message(_recipe(_run(tmp_path / "run", AWAY[:4])), OWN, AWAY)
    assert "trained on 4 of the 6 studies that are left out" in message


def test_a_run_trained_on_the_studies_under_other_ids_or_labels_is_reported(tmp_path: Path) -> None:
    """Regression: no warning after a corrected label, or for a source that is read by itself."""
    alone = [replace(s, patient_id=f"p{i}", study_id=f"s{i}", source="") for i, s in enumerate(OWN)]
    relabelled = [replace(OWN[0], abnormal=True), *OWN[1:]]
    recipe = _recipe(_run(tmp_path / "run", OWN[:8]))
    for studies in (alone, relabelled):
        (message,) = _message(recipe, studies)
        assert (
            "studies with the ids of 8 of the 10" in message and "if they are the same" in message
        )
    phantoms = [replace(s, simulated=True) for s in alone]
    assert not _message(_recipe(_run(tmp_path / "phantoms", phantoms, "phantom")), alone[:9])


@pytest.mark.parametrize("name", ["pretrain", "fracatlas_student"])
def test_a_fold_is_resumed_when_its_initial_weights_were_deleted(tmp_path: Path, name: str) -> None:
    """It asked for the start that it had, which no one start for all folds could be.

    Report: a recipe that names the expert it starts from was not recognised as begun.
    """
    recipe, run = _recipe(tmp_path / "cv", name), tmp_path / "own/fold1"
    start = replace(recipe.experts[0].initial, path=str(tmp_path / "cv/fold1"))
    begun = replace(recipe, experts=(replace(recipe.experts[0], initial=start),))
    assert with_begun_starts(recipe, 1, run) == recipe
    run.mkdir(parents=True)
    write_json(begun, run / "recipe.json")
    assert with_begun_starts(recipe, 1, run) == recipe  # none of its experts has begun
    expert = run / "experts" / recipe.experts[0].name
    expert.mkdir(parents=True)
    (expert / "checkpoint.safetensors").write_bytes(b"")
    result = with_fold_starts(with_begun_starts(recipe, 1, run), 1, OWN[:5], OWN)
    assert result == begun == with_recorded_starts(result, run)
    with pytest.raises(ConfigError, match="is being trained from"):
        with_recorded_starts(recipe, run)
    outliers = _recipe(tmp_path / "other", name)
    assert with_begun_starts(outliers, 1, run) == outliers
