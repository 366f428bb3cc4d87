"""The steps of `ulna review`: which predictions, which experts, what the page shows."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from ulna.bundle import Manifest, read_bundle
from ulna.config.meaning import ANY, AbnormalMeaning
from ulna.errors import ConfigError, UlnaError, UlnaWarning, said_of
from ulna.experiments.held_out import run_split
from ulna.experiments.progress import Progress
from ulna.runtime import Predictor

if TYPE_CHECKING:
    from ulna.labels.suspects import Suspect
    from ulna.report.review_page import Entry, MapScale
    from ulna.types import StudyPrediction

NO_FOLDS = (
    "No heat maps: they need the folder of `ulna crossval`, in which the experts of every fold lie."
)


def meaning_of(predictions: Path) -> str:
    """What the label stands for, by the metrics.json beside a table of predictions.

    Any abnormality where there is none, or one of an earlier version.
    """
    try:
        found = json.loads(predictions.with_name("metrics.json").read_text("utf-8"))
    except (OSError, ValueError):
        return ANY
    means = found.get("abnormal_means") if isinstance(found, dict) else None
    return str(means) if means in get_args(AbnormalMeaning) else ANY


def fold_experts(folder: Path, suspects: Sequence[Suspect]) -> dict[str, Predictor]:
    """For each fold of `suspects`, a predictor of the experts that have not seen its studies.

    Fusion, temperature and the maps' scale are those of the cross-validation's own bundle. Empty
    where `folder` holds no bundles of folds. Raises ConfigError where a fold's experts have
    learned from a study that the predictions take for unseen; BundleError.
    """
    if not (folder / "bundle" / "manifest.json").is_file():
        return {}
    joint = read_bundle(folder / "bundle").manifest
    found = {}
    for fold in sorted({s.fold for s in suspects}):
        run = folder / fold
        learned = {k for keys in run_split(run).values() for k in keys}
        seen = [s.study.key for s in suspects if s.fold == fold and s.study.key in learned]
        if seen:
            raise ConfigError(
                f"{run} has learned from {seen[0]}, which the predictions take for unseen: the "
                "folder was changed; run `ulna crossval` again"
            )
        found[fold] = _as_in_joint(Predictor.load(run / "bundle"), joint, run)
    return found


def _as_in_joint(predictor: Predictor, joint: Manifest, run: Path) -> Predictor:
    """The fold's experts with the weights that theirs have among their like in `joint`.

    Known by their graphs: of some folds alone (--only) the joint bundle counts from 0 too.
    """
    known = {e.sha256: e.name for e in joint.experts}
    names = {e.name: known.get(e.sha256) for e in predictor.manifest.experts}
    weights = {}
    for part, shares in joint.fusion.weights.items():
        own = {n: shares[theirs] for n, theirs in names.items() if theirs}
        if len(own) < len(names):
            raise ConfigError(
                f"{run}: an expert of it is none of the bundle of all folds: the folder was "
                "changed; run `ulna crossval` again"
            )
        weights[part] = {n: share / sum(own.values()) for n, share in own.items()}
    return predictor.with_fusion(replace(joint.fusion, weights=weights))


def show_head(
    suspects: Sequence[Suspect], experts: dict[str, Predictor], report: Progress
) -> tuple[list[Entry], MapScale | None]:
    """What the page shows of `suspects`, and the scale of its maps; None without any."""
    from ulna.report.review_page import MapScale, show_suspect

    scale = None
    if experts:
        manifest = next(iter(experts.values())).manifest
        fusion, trimmed = manifest.fusion, manifest.input_spec.trim_borders
        scale = MapScale(fusion.map_threshold, fusion.map_limit, trimmed)
    entries = []
    for done, suspect in enumerate(suspects, start=1):
        prediction = _answer(suspect, experts) if experts else None
        entries.append(show_suspect(suspect, prediction, scale))
        report("films", done, len(suspects))
    return entries, scale


def _answer(suspect: Suspect, experts: dict[str, Predictor]) -> StudyPrediction | None:
    """None for a study whose films cannot be read or answered; the page then says why."""
    try:
        return experts[suspect.fold].predict(suspect.study)
    except (UlnaError, MemoryError) as error:
        warnings.warn(f"no heat map of {suspect.study.key}: {said_of(error)}", UlnaWarning, 2)
        return None


def are_phantoms(suspects: Sequence[Suspect]) -> bool:
    """Whether the films lie in a folder that `ulna phantom` wrote."""
    first = suspects[0].study.images[0].path
    return any((folder / "phantom.json").is_file() for folder in first.parents)
