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
from ulna.errors import ConfigError, UlnaError, UlnaWarning, message_of
from ulna.experiments.held_out import run_split
from ulna.experiments.progress import Progress
from ulna.runtime import Predictor

if TYPE_CHECKING:
    from ulna.labels.label_errors import LabelError
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
        result = json.loads(predictions.with_name("metrics.json").read_text("utf-8"))
    except (OSError, ValueError):
        return ANY
    means = result.get("abnormal_means") if isinstance(result, dict) else None
    return str(means) if means in get_args(AbnormalMeaning) else ANY


def fold_experts(folder: Path, label_errors: Sequence[LabelError]) -> dict[str, Predictor]:
    """For each fold of `label_errors`, a predictor of the experts that have not seen its studies.

    Fusion, temperature and the maps' scale are those of the cross-validation's own bundle. Empty
    where `folder` holds no bundles of folds. Raises ConfigError where a fold's experts have
    learned from a study that the predictions take for unseen; BundleError.
    """
    if not (folder / "bundle" / "manifest.json").is_file():
        return {}
    joint = read_bundle(folder / "bundle").manifest
    result = {}
    for fold in sorted({s.fold for s in label_errors}):
        run = folder / fold
        learned = {k for keys in run_split(run).values() for k in keys}
        seen = [s.study.key for s in label_errors if s.fold == fold and s.study.key in learned]
        if seen:
            raise ConfigError(
                f"{run} has learned from {seen[0]}, which the predictions take for unseen: the "
                "folder was changed; run `ulna crossval` again"
            )
        result[fold] = _as_in_joint(Predictor.load(run / "bundle"), joint, run)
    return result


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
    label_errors: Sequence[LabelError], experts: dict[str, Predictor], report: Progress
) -> tuple[list[Entry], MapScale | None]:
    """What the page shows of `label_errors`, and the scale of its maps; None without any."""
    from ulna.report.review_page import MapScale, show_label_error

    scale = None
    if experts:
        manifest = next(iter(experts.values())).manifest
        fusion, trimmed = manifest.fusion, manifest.input_spec.trim_borders
        scale = MapScale(fusion.map_threshold, fusion.map_limit, trimmed)
    entries = []
    for done, label_error in enumerate(label_errors, start=1):
        prediction = _answer(label_error, experts) if experts else None
        entries.append(show_label_error(label_error, prediction, scale))
        report("images", done, len(label_errors))
    return entries, scale


def _answer(label_error: LabelError, experts: dict[str, Predictor]) -> StudyPrediction | None:
    """None for a study whose images cannot be read or answered; the page then says why."""
    try:
        return experts[label_error.fold].predict(label_error.study)
    except (UlnaError, MemoryError) as error:
        warnings.warn(
            f"no heat map of {label_error.study.key}: {message_of(error)}", UlnaWarning, 2
        )
        return None


def are_phantoms(label_errors: Sequence[LabelError]) -> bool:
    """Whether the images lie in a folder that `ulna phantom` wrote."""
    first = label_errors[0].study.images[0].path
    return any((folder / "phantom.json").is_file() for folder in first.parents)
