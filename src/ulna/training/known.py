"""Studies that examine a run, and that what its experts start from has learned from."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from ulna.bundle import DataFingerprint
from ulna.config.codec import read_json
from ulna.config.recipe import ExpertConfig, Recipe
from ulna.datasets.overlap import keys_among
from ulna.errors import ConfigError, DatasetWarning
from ulna.training.fingerprint import fingerprint_studies
from ulna.types import Study

_EXAMINE = ("calibration", "test")


def warn_of_known(
    recipe: Recipe, side: Sequence[Study], parts: Mapping[str, Sequence[str]]
) -> None:
    """DatasetWarning for experts whose start has learned from the calibration or test part.

    side: the studies that the run splits; parts: their keys by part. A start is known by the ids
    of its studies; those of phantoms, which are numbered from 1 in every set, count where the
    start has learned from studies of `side` alone. Raises ConfigError for a damaged split.
    """
    for expert in recipe.experts:
        run = _start(expert)
        if run is None:
            continue
        learned = _learned(run)
        for part in _EXAMINE:
            keys = {*parts.get(part, ())}
            seen = keys_among(learned, [s for s in side if s.key in keys])
            if seen and _tells(run, side):
                warnings.warn(
                    f"expert {expert.name} starts from {run}, which has learned from {len(seen)} "
                    f"of the {len(keys)} studies of the {part} part, by their ids (first: "
                    f"{min(seen)}): what is fitted or scored there is flattered; start from a run "
                    "on other data, or with the same split (same recipe fractions and seed)",
                    DatasetWarning,
                    stacklevel=3,
                )


def _start(expert: ExpertConfig) -> Path | None:
    """The run that the expert starts from, if it says what it has learned from."""
    run = Path(expert.initial.path)
    if (run / "crossval.json").is_file():  # a single run starts from its fold 0
        run = run / "fold0"
    known = expert.initial.kind == "run" and (run / "data.json").is_file()
    return run if known and (run / "split.json").is_file() else None


def _learned(run: Path) -> set[str]:
    parts = _split(run)
    return {*parts.get("train", ()), *parts.get("tune", ())}


def _split(run: Path) -> dict[str, list[str]]:
    file = run / "split.json"
    try:
        parts = json.loads(file.read_text("utf-8"))
        return {str(k): [str(s) for s in v] for k, v in parts.items()}
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ConfigError(f"{file}: damaged ({error}): train that run again") from None


def _tells(run: Path, side: Sequence[Study]) -> bool:
    """Whether equal ids mean equal studies."""
    recorded = read_json(DataFingerprint, run / "data.json")
    if not recorded.simulated:
        return True
    used = {k for keys in _split(run).values() for k in keys}
    own = [s for s in side if s.key in used]
    return fingerprint_studies(own, recorded.kind, recorded.name).sha256 == recorded.sha256
