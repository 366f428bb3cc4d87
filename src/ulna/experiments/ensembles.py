"""Folds of several cross-validations become those of one: what `ulna ensemble` calls."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ulna.bundle import DataFingerprint, read_bundle
from ulna.bundle.join import unite_bundles, unite_recipes
from ulna.config.codec import read_json
from ulna.config.recipe import Fusion, FusionKind
from ulna.errors import BundleError, ConfigError
from ulna.experiments.crossval import CrossvalResult, finish
from ulna.experiments.crossval_settings import CrossvalSettings
from ulna.experiments.crossval_steps import CrossvalFolder
from ulna.experiments.extras import require
from ulna.experiments.progress import Progress


def ensemble(
    folders: Sequence[Path],
    out: Path,
    *,
    by: Sequence[str] = (),
    against: Sequence[Path] = (),
    only: Sequence[int] = (),
    fusion: FusionKind | None = None,
    outliers: Sequence[Path] = (),
    progress: Progress | None = None,
) -> CrossvalResult:
    """Let the experts of several cross-validations answer together; nothing is trained.

    `out` becomes a cross-validation of all their experts: fusion, temperatures and thresholds of a
    fold are fitted on the other folds, and scores, receipt and the bundle of all folds are as of
    `cross_validate`. An expert whose name is taken is called EXPERT_2, EXPERT_3, ...

    Args:
        folders: Two or more finished cross-validations of the same data on the same folds, of
            recipes that differ in how experts are trained alone.
        out: Folder for folds, scores and bundle.
        by: Columns of the table that scores are grouped by too, each 'COLUMN' or 'COLUMN:NUMBER'.
        against: Folders of other cross-validations on the same folds; paired differences from them.
        only: Some of the folds, at least two, counted from 0; none for all.
        fusion: How experts become one answer, 'fitted' or 'mean'; None as in the first folder.
        outliers: Tables of images of other regions of the body, which the bundle learns to refuse.
        progress: Called with (stage, done, all), often.

    Returns:
        Scores, metrics and the folder. Studies without an answer are in the metrics, not raised.

    Raises:
        ConfigError: Folders of other data or folds, folds that are not trained, or an `out` that
            is of other experts.
        BundleError: Experts that cannot answer together.
        DependencyError: The extra 'train' or 'report' is not installed.

    Example::

        both = ensemble([Path("runs/cv"), Path("runs/cv-seed1")], Path("runs/both"))
        both.scores["scores"]["ALL"]["auroc"]["value"]
    """
    require("train", "report")
    folder = open_united(folders, out, only, fusion).refusing(outliers)
    return finish(folder, Path(folder.settings.data), by, against, progress=progress)


def open_united(
    folders: Sequence[Path], out: Path, only: Sequence[int], fusion: FusionKind | None = None
) -> CrossvalFolder:
    """The cross-validation `out` of the experts of those in `folders`; its folds have bundles.

    only: some of the folds; none for all. fusion: None for the first folder's. Raises ConfigError
    for folders that are no cross-validations of the same data and folds, whose folds are not all
    trained, or for an `out` that is of other experts; BundleError.
    """
    if len(folders) < 2:
        raise ConfigError("one folder: expected two or more cross-validations to answer together")
    settings = _united_settings(folders)
    if fusion:
        settings = replace(settings, recipe=replace(settings.recipe, fusion=Fusion(fusion)))
    seen = {out.resolve(), *(f.resolve() for f in folders)}
    if len(seen) <= len(folders):
        raise ConfigError(f"{out} and the folders given: expected each to be another folder")
    folder = CrossvalFolder.open(out, settings, None, only)
    for k in folder.requested:
        _unite_fold(folder, k, folders)
    return folder


def _united_settings(folders: Sequence[Path]) -> CrossvalSettings:
    every = [read_settings(f) for f in folders]
    first, data = every[0], fingerprint_of(folders[0])
    for folder, other in zip(folders[1:], every[1:], strict=True):
        if replace(other, recipe=first.recipe, data=first.data) != first:
            raise ConfigError(
                f"{folder}: {other.folds} folds of seed {other.fold_seed}, also "
                f"{other.also or 'nothing'}; {folders[0]}: {first.folds} of seed "
                f"{first.fold_seed}, also {first.also or 'nothing'}: expected the same"
            )
        if fingerprint_of(folder).sha256 != data.sha256:
            raise ConfigError(
                f"{folder} is of other studies, labels or file names than {folders[0]}: expected "
                "cross-validations of the same data"
            )
    return replace(first, recipe=unite_recipes([s.recipe for s in every]))


def read_settings(folder: Path) -> CrossvalSettings:
    """Of the cross-validation in `folder`. Raises ConfigError where there is none."""
    file = folder / "crossval.json"
    if not file.is_file():
        raise ConfigError(f"{folder}: no crossval.json: expected a folder of `ulna crossval`")
    return read_json(CrossvalSettings, file)


def fingerprint_of(folder: Path) -> DataFingerprint:
    """Of the studies of the cross-validation in `folder`. Raises ConfigError without one."""
    file = folder / "data.json"
    if not file.is_file():
        raise ConfigError(f"{folder}: no data.json: give its `ulna crossval` once more")
    return read_json(DataFingerprint, file)


def _unite_fold(folder: CrossvalFolder, k: int, folders: Sequence[Path]) -> None:
    """Fold k's bundle of all experts, and what they learned from. Raises ConfigError."""
    sources = [f / f"fold{k}" for f in folders]
    missing = [s for s in sources if not (s / "bundle" / "manifest.json").is_file()]
    if missing:
        raise ConfigError(
            f"{missing[0]}: not trained: finish its `ulna crossval`, or take folds that all have "
            "(--only)"
        )
    run, bundles = folder.fold(k), [read_bundle(s / "bundle") for s in sources]
    graphs = [e.sha256 for b in bundles for e in b.manifest.experts]
    if (run / "bundle" / "manifest.json").is_file():
        try:
            known = [e.sha256 for e in read_bundle(run / "bundle").manifest.experts]
        except BundleError:
            known = []
        if known != graphs:
            raise ConfigError(f"{folder.out} is of other experts: give another --out")
        return
    run.mkdir(parents=True, exist_ok=True)
    for name in ("split.json", "data.json"):
        shutil.copyfile(sources[0] / name, run / name)
    unite_bundles(bundles, folder.fold_recipe(k), run / "bundle")
