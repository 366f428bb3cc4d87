"""A cross-validation from its settings to its scores: what `ulna crossval` calls."""

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
from ulna.experiments.crossval_answers import answer_folds
from ulna.experiments.crossval_settings import CrossvalSettings
from ulna.experiments.crossval_steps import CrossvalFolder, record_data, train_folds
from ulna.experiments.extras import require
from ulna.experiments.fold_starts import warn_of_seen
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
    """A cross-validation that is trained, answered and scored.

    folder: where everything lies (`folder.bundle`, `folder.evaluation`). scores: as in scores.json,
    out of fold by group, with 95 % intervals. metrics: as in evaluation/metrics.json; its
    'no_answer' counts the studies without an answer by reason (see `check_scored`).
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
    """Train a recipe on folds of the data by patient, and score what each fold has not seen.

    The folds are stratified by body part and label and depend on `data`, `folds` and `fold_seed`
    alone. The experts of every fold answer the fold that they have not seen; fusion, temperatures
    and thresholds of a fold are fitted on the other folds. The experts of all folds become one
    bundle. What is done is not done again, so that a killed call goes on where it was when it is
    given again with the same arguments.

    Args:
        data: Table, folder or table of sources. Studies that it holds out itself (valid, test)
            take no part.
        recipe: Name of a recipe, path of a JSON file, or the recipe itself.
        out: Folder for folds, scores and bundle; new, or that of the same cross-validation.
        encoders: Names with commas between, of experts in place of the recipe's that are not cnn.
        set: Settings of the recipe to change, each 'KEY=VALUE', as 'experts.cnn.epochs=5'.
        initial: Where experts start, each '[EXPERT=]KIND[:PATH]'.
        folds: How many, 2 or more.
        fold_seed: Of the folds alone; the training's seed is the recipe's.
        jobs: Folds that are trained at a time. With two or more, every fold has a process of its
            own, which imports the caller's main module again (multiprocessing, 'spawn'): a script
            must guard its call with ``if __name__ == "__main__":``. The process writes to
            FOLD/train.log; one that is killed costs no other.
        by: Columns of the table that scores are grouped by too, each 'COLUMN' or 'COLUMN:NUMBER'.
        against: Folders of other cross-validations on the same folds; paired differences from them.
        only: Some of the folds, at least two, counted from 0; none for all.
        also: Data that every fold learns from too, less the patients that it holds out.
        outliers: Tables of images of other regions of the body, which the bundle learns to refuse.
        leave_out: Sources of the table that no fold learns from; answered by the bundle of all
            folds.
        cache: Folder of decoded images, for several runs; `out` has one of its own by default.
        progress: Called with (stage, done, all), often.

    Returns:
        Scores, metrics and the folder. Studies without an answer are in the metrics, not raised.

    Raises:
        ConfigError: Settings that make no sense, or an `out` of another cross-validation.
        DatasetError: Data without labelled studies of the recipe's body parts.
        TrainingError: A fold that failed, once the others are done; UlnaError for want of memory.
        DependencyError: The extra 'train' or 'report' is not installed.

    Example::

        result = cross_validate(Path("table.csv"), "fracatlas", Path("runs/cv"), folds=3)
        result.scores["scores"]["ALL"]["auroc"]["value"]
    """
    require("train", "report")
    chosen = choose_recipe(recipe, set, initial, encoders)
    beside = str(also.resolve()) if also else ""
    settings = CrossvalSettings(
        str(data.resolve()), chosen, folds, fold_seed, beside, tuple(sorted({*leave_out}))
    )
    folder = CrossvalFolder.open(out, settings, cache, only).refusing(outliers)
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
    """Train and answer what is missing of `folder`; write scores and receipt.

    As `cross_validate`, of a folder that is open.
    """
    groups, others = _checked(folder, data, by, against)
    if not folder.answered():
        _run(folder, jobs, progress or silent)
    elif folder.outliers:
        warnings.warn(
            f"{folder.out} is answered: its bundle keeps the images of other regions that it has "
            f"learned to refuse; to give it these, delete {folder.evaluation}",
            UlnaWarning,
            stacklevel=2,
        )
    scores = write_scores(folder, groups, others)
    crossval_receipt(folder, data, by, others)
    return CrossvalResult(folder, scores, read_metrics(folder.evaluation))


def _checked(
    folder: CrossvalFolder, data: Path, by: Sequence[str], against: Sequence[Path]
) -> tuple[Groups, dict[str, Path]]:
    """What scores are grouped by and compared with, before hours are spent on training."""
    check_outputs(folder.out, "scores.json", "receipt.json")
    check_outputs(folder.evaluation, *EVALUATION_FILES)
    others = _others(against)
    for name in folder.left_out:
        left_out_folder(folder.out, name).mkdir(parents=True, exist_ok=True)
        check_outputs(left_out_folder(folder.out, name), *EVALUATION_FILES)
    groups = column_groups(data, folder.labelled, by)
    check_label_meaning([*folder.labelled, *folder.beside], folder.settings.recipe)
    record_data(folder)
    warn_of_seen(folder.settings.recipe, index_data(data), folder.labelled, folder.away)
    warn_of_unusable_masks(folder.labelled)
    return groups, others


def _others(against: Sequence[Path]) -> dict[str, Path]:
    """Predictions of each other method by its folder's name; by its path where names coincide."""
    names = [p.resolve().name for p in against]
    return {
        name if names.count(name) == 1 else str(p): find_predictions(p)
        for name, p in zip(names, against, strict=True)
    }


def _run(folder: CrossvalFolder, jobs: int, report: Progress) -> None:
    """Train what is not trained, answer every fold and write OUT/evaluation."""
    writer = report_writer()
    train_folds(folder, jobs, report)
    bundle, rows = answer_folds(folder, report)
    rows = sorted(rows, key=lambda r: r.key)
    requested = EvaluationSettings(bundle.manifest.operating_point, Resampling())
    write_evaluation(bundle, rows, folder.evaluation, requested, [], writer)
    if folder.left_out:
        reported = partial(report, "left out")
        predictor = Predictor.load(folder.bundle)
        evaluate_left_out(predictor, folder.left_out, folder.out, writer, reported)


def write_scores(
    folder: CrossvalFolder, groups: Groups, others: Mapping[str, Path]
) -> dict[str, Any]:
    """Scores by group, and differences from `others`, as OUT/scores.json; returned too.

    Of several sources also what is met at each, and the scores of those left out.
    """
    names = source_names(folder.labelled), tuple(folder.left_out)
    scores = crossval_scores(folder.out, groups, others, *names, Resampling())
    write_json(scores, folder.out / "scores.json")
    return scores
