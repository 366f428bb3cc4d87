"""Leakage through initial weights: held-out studies that an expert's start has learned from."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from ulna.bundle import DataFingerprint
from ulna.config.codec import read_json
from ulna.config.recipe import ExpertConfig, Recipe
from ulna.datasets.overlap import keys_among
from ulna.errors import ConfigError, DatasetWarning
from ulna.json_text import parse_json
from ulna.training.fingerprint import fingerprint_studies
from ulna.types import Study

_HELD_OUT = ("calibration", "test")


def warn_of_leakage(
    recipe: Recipe, side: Sequence[Study], parts: Mapping[str, Sequence[str]]
) -> None:
    """Warn (DatasetWarning) of initial weights that have learned from held-out studies.

    Held out are the calibration and the test part. side: the studies that the run splits. parts:
    their keys by part. Studies are compared by their ids. Phantoms are numbered from 1 in every
    set, so their ids count only where the start has learned from studies of `side` alone. Raises
    ConfigError for a damaged split.
    """
    for expert in recipe.experts:
        run = _start(expert)
        if run is None:
            continue
        learned = _learned(run)
        for part in _HELD_OUT:
            keys = {*parts.get(part, ())}
            seen = keys_among(learned, [s for s in side if s.key in keys])
            if seen and _same_studies(run, side):
                warnings.warn(
                    f"expert {expert.name} starts from {run}, which has learned from {len(seen)} "
                    f"of the {len(keys)} studies of the {part} part, by their ids (first: "
                    f"{min(seen)}): what is fitted or scored there is too optimistic; start from a "
                    "run on other data, or with the same split (same recipe fractions and seed)",
                    DatasetWarning,
                    stacklevel=3,
                )


def _start(expert: ExpertConfig) -> Path | None:
    """Return the run whose weights the expert starts from, if that run records its data."""
    run = Path(expert.initial.path)
    if (run / "crossval.json").is_file():  # initial weights come from its fold 0
        run = run / "fold0"
    known = expert.initial.kind == "run" and (run / "data.json").is_file()
    return run if known and (run / "split.json").is_file() else None


def _learned(run: Path) -> set[str]:
    parts = _split(run)
    return {*parts.get("train", ()), *parts.get("tune", ())}


def _split(run: Path) -> dict[str, list[str]]:
    file = run / "split.json"
    try:
        parts = parse_json(file.read_text("utf-8"))
        return {str(k): [str(s) for s in v] for k, v in parts.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigError(f"{file}: damaged ({error}): train that run again") from None


def _same_studies(run: Path, side: Sequence[Study]) -> bool:
    """Return whether equal ids mean equal studies."""
    recorded = read_json(DataFingerprint, run / "data.json")
    if not recorded.simulated:
        return True
    used = {k for keys in _split(run).values() for k in keys}
    own = [s for s in side if s.key in used]
    return fingerprint_studies(own, recorded.kind, recorded.name).sha256 == recorded.sha256
