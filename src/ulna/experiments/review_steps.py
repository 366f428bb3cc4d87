"""The steps of `ulna review`: the experts of each fold, and the entries of the page."""

from __future__ import annotations

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
from ulna.json_text import parse_json
from ulna.runtime import Predictor

if TYPE_CHECKING:
    from ulna.labels.label_errors import LabelError
    from ulna.report.review_page import Entry, MapScale
    from ulna.types import StudyPrediction

NO_FOLDS = (
    "No heat maps: they need the folder of `ulna crossval`, which holds the experts of every fold."
)


def meaning_of(predictions: Path) -> str:
    """Return what the label stands for, from the metrics.json next to a table of predictions.

    It is any abnormality without that file, or with one of an earlier version.
    """
    try:
        metrics = parse_json(predictions.with_name("metrics.json").read_text("utf-8"))
    except (OSError, ValueError):
        return ANY
    means = metrics.get("abnormal_means") if isinstance(metrics, dict) else None
    return str(means) if means in get_args(AbnormalMeaning) else ANY


def fold_experts(folder: Path, label_errors: Sequence[LabelError]) -> dict[str, Predictor]:
    """Return for each fold of `label_errors` a predictor with the experts trained without it.

    Fusion, temperature and the maps' scale are those of the cross-validation's bundle. Empty where
    `folder` holds no bundles of folds. Raises ConfigError where a fold's experts were trained on a
    study that the predictions assign to the fold; BundleError.
    """
    if not (folder / "bundle" / "manifest.json").is_file():
        return {}
    joint = read_bundle(folder / "bundle").manifest
    predictors = {}
    for fold in sorted({s.fold for s in label_errors}):
        run = folder / fold
        used = {k for keys in run_split(run).values() for k in keys}
        seen = [s.study.key for s in label_errors if s.fold == fold and s.study.key in used]
        if seen:
            raise ConfigError(
                f"{run} was trained on {seen[0]}, which the predictions count as held out: the "
                "folder was changed; run `ulna crossval` again"
            )
        predictors[fold] = _with_joint_fusion(Predictor.load(run / "bundle"), joint, run)
    return predictors


def _with_joint_fusion(predictor: Predictor, joint: Manifest, run: Path) -> Predictor:
    """Return the fold's experts with their weights in `joint`, scaled to sum 1.

    Experts are matched by their graphs, because with --only the joint bundle numbers folds from 0.
    """
    known = {e.sha256: e.name for e in joint.experts}
    names = {e.name: known.get(e.sha256) for e in predictor.manifest.experts}
    weights = {}
    for part, shares in joint.fusion.weights.items():
        matched = {n: shares[name] for n, name in names.items() if name}
        if len(matched) < len(names):
            raise ConfigError(
                f"{run}: an expert is not in the bundle of all folds: the folder was changed; run "
                "`ulna crossval` again"
            )
        weights[part] = {n: share / sum(matched.values()) for n, share in matched.items()}
    return predictor.with_fusion(replace(joint.fusion, weights=weights))


def show_head(
    label_errors: Sequence[LabelError], experts: dict[str, Predictor], progress: Progress
) -> tuple[list[Entry], MapScale | None]:
    """Return the page's entries for `label_errors`, and the scale of its maps or None."""
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
        progress("images", done, len(label_errors))
    return entries, scale


def _answer(label_error: LabelError, experts: dict[str, Predictor]) -> StudyPrediction | None:
    """Predict the study; None, with a warning, where its images cannot be read or predicted."""
    try:
        return experts[label_error.fold].predict(label_error.study)
    except (UlnaError, MemoryError) as error:
        warnings.warn(
            f"no heat map of {label_error.study.key}: {message_of(error)}", UlnaWarning, 2
        )
        return None


def are_phantoms(label_errors: Sequence[LabelError]) -> bool:
    """Return whether the images lie in a folder of `ulna phantom`."""
    first = label_errors[0].study.images[0].path
    return any((folder / "phantom.json").is_file() for folder in first.parents)
