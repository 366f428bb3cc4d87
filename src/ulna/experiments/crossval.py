"""A cross-validation from its settings to its scores: the function behind `ulna crossval`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ulna.config.codec import write_json
from ulna.config.recipe import Recipe
from ulna.datasets import index_data
from ulna.datasets.meaning import check_label_meaning
from ulna.errors import UlnaWarning
from ulna.evaluation.crossval_scores import crossval_scores
from ulna.evaluation.groups import column_groups
from ulna.evaluation.left_out import evaluate_left_out, left_out_folder, source_names
from ulna.evaluation.out_of_fold import find_predictions
from ulna.evaluation.pipeline import EvaluationSettings, write_evaluation
from ulna.evaluation.scores import Resampling
from ulna.evaluation.truth import warn_of_unusable_masks
from ulna.experiments.crossval_answers import predict_folds
from ulna.experiments.crossval_settings import CrossvalSettings
from ulna.experiments.crossval_steps import CrossvalFolder, record_data, train_folds
from ulna.experiments.extras import require
from ulna.experiments.fold_starts import warn_of_leakage
from ulna.experiments.progress import Progress, silent
from ulna.experiments.receipts import crossval_receipt
from ulna.experiments.recipe_choice import choose_recipe
from ulna.experiments.results import EVALUATION_FILES, check_outputs, read_metrics
from ulna.report.writers import report_writer
from ulna.runtime import Predictor

if TYPE_CHECKING:
    from ulna.evaluation.groups import Groups


@dataclass(frozen=True)
class CrossvalResult:
    """A finished cross-validation.

    folder: the paths of its files (`folder.bundle`, `folder.evaluation`). scores: as in
    scores.json, out of fold by group, with 95 % intervals. metrics: as in evaluation/metrics.json;
    its 'no_answer' counts the studies without an answer by reason (see `check_scored`).
    """

    folder: CrossvalFolder
    scores: Mapping[str, Any]
    metrics: Mapping[str, Any]


def cross_validate(
    data: Path,
    recipe: Recipe | str,
    out: Path,
    *,
    encoders: str | None = None,
    set: Sequence[str] = (),
    initial: Sequence[str] = (),
    folds: int = 5,
    fold_seed: int = 0,
    jobs: int = 1,
    by: Sequence[str] = (),
    against: Sequence[Path] = (),
    only: Sequence[int] = (),
    also: Path | None = None,
    outliers: Sequence[Path] = (),
    leave_out: Sequence[str] = (),
    cache: Path | None = None,
    progress: Progress | None = None,
) -> CrossvalResult:
    """Cross-validate a recipe by patient: train on all folds but one, and score that one.

    The folds are stratified by body part and label and depend only on `data`, `folds` and
    `fold_seed`. The experts of a fold predict the studies that they were not trained on; fusion,
    temperatures and thresholds of a fold are fitted on the other folds. The experts of all folds
    become one bundle. Finished steps are not repeated, so the same call continues a killed one.

    Args:
        data: Table, folder or table of sources. Studies that it holds out itself (valid, test)
            are not used.
        recipe: Name of a recipe, path of a JSON file, or the recipe itself.
        out: Folder for folds, scores and bundle; new, or that of the same cross-validation.
        encoders: Comma-separated names; each becomes an expert, in place of the recipe's experts
            that are not cnn.
        set: Settings of the recipe to change, each 'KEY=VALUE', as 'experts.cnn.epochs=5'.
        initial: Where experts start, each '[EXPERT=]KIND[:PATH]'.
        folds: Number of folds, 2 or more.
        fold_seed: Seed of the folds only; the seed of training is the recipe's.
        jobs: Folds trained at a time. With two or more, every fold has a process of its own, which
            imports the caller's main module again (multiprocessing, 'spawn'): a script must guard
            its call with ``if __name__ == "__main__":``. The process logs to FOLD/train.log; if it
            is killed, the others continue.
        by: Columns of the table that scores are grouped by too, each 'COLUMN' or 'COLUMN:NUMBER'.
        against: Folders of other cross-validations on the same folds, for paired differences.
        only: Some of the folds, at least two, counted from 0; none for all.
        also: Further training data for every fold, without the patients that it holds out.
        outliers: Tables of images of other body regions, which the bundle is to refuse.
        leave_out: Sources of the table to keep out of training; predicted by the bundle of all
            folds.
        cache: Folder of decoded images, shared by several runs; None for a folder in `out`.
        progress: Called often with (stage, done, total).

    Returns:
        Scores, metrics and the folder. Studies without an answer are in the metrics, not raised.

    Raises:
        ConfigError: Invalid settings, or an `out` of another cross-validation.
        DatasetError: Data without labelled studies of the recipe's body parts.
        TrainingError: A fold failed; raised once the others are done. UlnaError without memory.
        DependencyError: The extra 'train' or 'report' is not installed.

    Example::

        result = cross_validate(Path("table.csv"), "fracatlas", Path("runs/cv"), folds=3)
        result.scores["scores"]["ALL"]["auroc"]["value"]
    """
    require("train", "report")
    chosen = choose_recipe(recipe, set, initial, encoders)
    extra = str(also.resolve()) if also else ""
    settings = CrossvalSettings(
        str(data.resolve()), chosen, folds, fold_seed, extra, tuple(sorted({*leave_out}))
    )
    folder = CrossvalFolder.open(out, settings, cache, only).with_outliers(outliers)
    return finish(folder, data, by, against, jobs=jobs, progress=progress)


def finish(
    folder: CrossvalFolder,
    data: Path,
    by: Sequence[str] = (),
    against: Sequence[Path] = (),
    *,
    jobs: int = 1,
    progress: Progress | None = None,
) -> CrossvalResult:
    """Train and predict what is missing in an open folder; write scores and receipt.

    Arguments and result are those of `cross_validate`.
    """
    groups, others = _checked(folder, data, by, against)
    if not folder.predicted():
        _run(folder, jobs, progress or silent)
    elif folder.outliers:
        warnings.warn(
            f"{folder.out} is finished: its bundle was not fitted with these images of other "
            f"regions; to fit it with them, delete {folder.evaluation}",
            UlnaWarning,
            stacklevel=2,
        )
    scores = write_scores(folder, groups, others)
    crossval_receipt(folder, data, by, others)
    return CrossvalResult(folder, scores, read_metrics(folder.evaluation))


def _checked(
    folder: CrossvalFolder, data: Path, by: Sequence[str], against: Sequence[Path]
) -> tuple[Groups, dict[str, Path]]:
    """Check everything before hours of training; return groups and other predictions by name."""
    check_outputs(folder.out, "scores.json", "receipt.json")
    check_outputs(folder.evaluation, *EVALUATION_FILES)
    others = _others(against)
    for name in folder.left_out:
        left_out_folder(folder.out, name).mkdir(parents=True, exist_ok=True)
        check_outputs(left_out_folder(folder.out, name), *EVALUATION_FILES)
    groups = column_groups(data, folder.labelled, by)
    check_label_meaning([*folder.labelled, *folder.extra], folder.settings.recipe)
    record_data(folder)
    warn_of_leakage(
        folder.settings.recipe, index_data(data), folder.labelled, folder.left_out_studies
    )
    warn_of_unusable_masks(folder.labelled)
    return groups, others


def _others(against: Sequence[Path]) -> dict[str, Path]:
    """Return the other predictions by their folder's name, or by its path where names coincide."""
    names = [p.resolve().name for p in against]
    return {
        name if names.count(name) == 1 else str(p): find_predictions(p)
        for name, p in zip(names, against, strict=True)
    }


def _run(folder: CrossvalFolder, jobs: int, progress: Progress) -> None:
    """Train the missing folds, predict every fold and write OUT/evaluation."""
    writer = report_writer()
    train_folds(folder, jobs, progress)
    bundle, rows = predict_folds(folder, progress)
    rows = sorted(rows, key=lambda r: r.key)
    settings = EvaluationSettings(bundle.manifest.operating_point, Resampling())
    write_evaluation(bundle, rows, folder.evaluation, settings, [], writer)
    if folder.left_out:
        on_progress = partial(progress, "left out")
        predictor = Predictor.load(folder.bundle)
        evaluate_left_out(predictor, folder.left_out, folder.out, writer, on_progress)


def write_scores(
    folder: CrossvalFolder, groups: Groups, others: Mapping[str, Path]
) -> dict[str, Any]:
    """Write and return OUT/scores.json: scores by group, and differences from `others`.

    With several sources, scores by source and those of the sources left out are added.
    """
    names = source_names(folder.labelled), tuple(folder.left_out)
    scores = crossval_scores(folder.out, groups, others, *names, Resampling())
    write_json(scores, folder.out / "scores.json")
    return scores
