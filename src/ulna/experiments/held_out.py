"""The studies for training, calibration or tests, by the split of the data or of a run."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ulna.errors import ConfigError, DatasetError, DatasetWarning
from ulna.json_text import parse_json

if TYPE_CHECKING:
    from ulna.config.recipe import Recipe
    from ulna.types import Study

TEST_SIDES = ("valid", "test")


def with_test_part(recipe: Recipe, studies: Sequence[Study], share: float) -> Recipe:
    """Return the recipe with a 'test' part of `share` of the patients.

    It is unchanged where the data or the recipe hold out a test part already.
    """
    if any(s.split in TEST_SIDES for s in studies) or "test" in recipe.fractions:
        return recipe
    fractions = {k: v * (1 - share) for k, v in recipe.fractions.items()}
    return replace(recipe, fractions={**fractions, "test": share})


def run_split(run: Path) -> dict[str, list[str]]:
    """Return the study keys of each part of the run: train, tune, calibration, perhaps test."""
    file = run / "split.json"
    if not file.is_file():
        raise ConfigError(f"{run}: no split.json: expected the folder of `ulna train --out`")
    try:
        parts = parse_json(file.read_text(encoding="utf-8"))
        return {str(k): [str(s) for s in v] for k, v in parts.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigError(f"{file}: damaged ({error}): train again") from None


def same_data(studies: Sequence[Study], run: Path) -> bool:
    """Return whether `studies` hold the exact data of the run, not only the same keys."""
    from ulna.bundle import DataFingerprint
    from ulna.config.codec import read_json
    from ulna.training.fingerprint import fingerprint_studies

    used = {k for keys in run_split(run).values() for k in keys}
    side = [s for s in studies if s.key in used]
    recorded = read_json(DataFingerprint, run / "data.json")
    return fingerprint_studies(side, recorded.kind, recorded.name).sha256 == recorded.sha256


def training_studies(studies: Sequence[Study], run: Path) -> list[Study]:
    """Return the training part of the run. Raises ConfigError for data of another run."""
    if not same_data(studies, run):
        raise ConfigError(f"the data are not those of {run}: give the data of `ulna train`")
    keys = set(run_split(run)["train"])
    return [s for s in studies if s.key in keys]


def calibration_studies(studies: Sequence[Study], run: Path) -> list[Study]:
    """Return the calibration part of the run. Raises ConfigError for data of another run."""
    if not same_data(studies, run):
        raise ConfigError(
            f"the data are not those of {run}: calibrate with the data of `ulna train`, "
            "which contain the calibration part of the run"
        )
    keys = set(run_split(run)["calibration"])
    return [s for s in studies if s.key in keys]


def test_studies(studies: Sequence[Study], split: str, run: Path | None) -> tuple[list[Study], str]:
    """Return the labelled studies to evaluate on, and a description of the choice.

    split: 'all', 'valid' (the studies that the data hold out) or '' (those if there are any; else
    the test part of `run`, or what it never used; else all). Warns with DatasetWarning when studies
    that the run was trained on are among them, or may be. Raises DatasetError when none is left.
    """
    from ulna.datasets.labelled import labelled as with_labels

    labelled = with_labels(studies, "evaluation")
    held = [s for s in labelled if s.split in TEST_SIDES]
    same = run is not None and same_data(studies, run)
    parts = run_split(run) if run is not None and same else {}
    used = {k for name, keys in parts.items() if name != "test" for k in keys}
    if split == "valid" or (split == "" and held):
        chosen, description = held, "held out by the data set"
    elif split == "" and parts.get("test"):
        test = set(parts["test"])
        chosen = [s for s in labelled if s.key in test]
        description = f"the test part of {run}"
    elif split == "" and used:
        chosen = [s for s in labelled if s.key not in used]
        description = f"not used by {run}"
    else:
        chosen, description = labelled, "all labelled studies"
    if not chosen:
        raise DatasetError(
            f"of {len(studies)} studies {len(labelled)} are labelled and none is {description}: "
            "nothing to evaluate; try --split all or other data"
        )
    overlap = sum(s.key in used for s in chosen)
    if overlap:
        warnings.warn(
            f"{overlap} of {len(chosen)} studies were used to train {run}: scores are optimistic",
            DatasetWarning,
            stacklevel=2,
        )
    if run is not None and not same:
        _warn_of_ids(chosen, run)
    return chosen, f"{len(chosen)} studies ({description})"


def _warn_of_ids(chosen: Sequence[Study], run: Path) -> None:
    """Warn of studies with the ids of the run's studies in data that differ from the run's.

    One label corrected since makes them other data. Phantoms are numbered from 1 in every set, so
    that equal ids mean nothing there.
    """
    from ulna.bundle import DataFingerprint
    from ulna.config.codec import read_json

    if read_json(DataFingerprint, run / "data.json").kind == "phantom":
        return
    used = {k for name, keys in run_split(run).items() if name != "test" for k in keys}
    if shared := sum(s.key in used for s in chosen):
        warnings.warn(
            f"{shared} of {len(chosen)} studies have the ids of studies that {run} was trained on, "
            "with other labels or file names: if they are the same, scores are optimistic; give "
            "the data as they were then",
            DatasetWarning,
            stacklevel=3,
        )


def run_of_bundle(bundle: Path) -> Path | None:
    """Return the run folder that contains the bundle; None if it lies elsewhere."""
    return bundle.parent if (bundle.parent / "split.json").is_file() else None
