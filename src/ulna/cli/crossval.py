"""`ulna crossval`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulna.cli.evaluate import cascade_sentence, print_sources, read_metrics
from ulna.cli.extras import require
from ulna.cli.incomplete import check_scored
from ulna.cli.options import (
    OUT_FOLDER,
    READABLE,
    by_option,
    elsewhere_option,
    json_option,
    recipe_options,
)
from ulna.cli.output import check_outputs, print_json, print_table
from ulna.cli.progress import progress
from ulna.cli.receipts import EVALUATION_FILES, crossval_receipt
from ulna.cli.recipe_choice import choose_recipe

if TYPE_CHECKING:
    from ulna.cli.crossval_steps import CrossvalFolder
    from ulna.evaluation.groups import Groups

_SHOWN = {
    "auroc": "AUROC",
    "average_precision": "AP",
    "sensitivity_at_specificity_0.90": "TPR at TNR 0.90",
    "kappa": "kappa",
    "brier": "Brier",
    "ece": "ECE",
    "ece_debiased": "ECE debiased",
    "pointing_game_true_positives": "pointing (TP)",
}


@click.command(epilog="The protocol and its measures: docs/metrics.md")
@click.argument("data", type=READABLE)
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for folds, scores and bundle.")
@recipe_options
@click.option("--folds", type=click.IntRange(min=2), default=5, show_default=True, help="How many.")
@click.option(
    "--fold-seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the folds alone; the training's is the recipe's.",
)
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Folds at a time."
)
@by_option("Scores by a column of the table too.")
@click.option(
    "--against", multiple=True, type=READABLE, metavar="FOLDER", help="Paired differences from it."
)
@click.option(
    "--only", multiple=True, type=int, metavar="FOLD", help="A fold, from 0; may be repeated."
)
@click.option("--also", type=READABLE, help="Data that every fold learns from too.")
@elsewhere_option
@click.option(
    "--leave-out",
    multiple=True,
    metavar="SOURCE",
    help="A source that no fold learns from; answered by all folds' bundle.",
)
@click.option("--cache", type=READABLE, help="Decoded images, shared by several runs.")
@json_option
def crossval(
    data: Path,
    recipe_name: str,
    out: Path,
    encoders: str | None,
    changes: tuple[str, ...],
    initial: tuple[str, ...],
    folds: int,
    fold_seed: int,
    jobs: int,
    by: tuple[str, ...],
    against: tuple[Path, ...],
    only: tuple[int, ...],
    also: Path | None,
    elsewhere: tuple[Path, ...],
    leave_out: tuple[str, ...],
    cache: Path | None,
    as_json: bool,
) -> None:
    """Cross-validate a recipe on DATA by patient; one bundle of all folds' experts comes out.

    The folds are stratified by body part and label and depend on DATA, --folds and --fold-seed
    alone, so every recipe gets the same; studies that DATA holds out itself (valid, test) take no
    part. Studies without an answer are counted by reason at the end (exit code 10), the others
    are scored. Out-of-fold predictions go to OUT/evaluation/predictions.csv, their scores to
    OUT/scores.json; fusion and thresholds of a fold are fitted on the other folds. A killed run
    goes on where it was when the same command is given again.

    --only looks at some folds first; the others can follow in the same folder. --also adds
    training data to every fold, less the patients that it holds out. The films of --elsewhere are
    refused by the bundle of all folds (docs/refusal.md). --against takes the folder
    of another `ulna crossval`, or any folder with a predictions.csv on the same folds.

    Where DATA is a table of sources (docs/sources.md), scores are told by source too, and sources
    with --leave-out teach nothing: the bundle of all folds answers them, OUT/left_out/SOURCE has
    their evaluation, and their scores stand beside the others'.

    \b
    Examples:
      ulna crossval table.csv --recipe fracatlas --out runs/cv --jobs 2
      ulna crossval table.csv --recipe fracatlas --initial random --out runs/cv-random \\
          --against runs/cv --by hardware --by source_width:1000
      ulna crossval sources.csv --recipe fracatlas --out runs/cv-left --leave-out mendeley_wrist
    """
    require("train", "report")
    from ulna.cli.crossval_settings import CrossvalSettings
    from ulna.cli.crossval_steps import CrossvalFolder

    recipe = choose_recipe(recipe_name, changes, initial, encoders)
    beside = str(also.resolve()) if also else ""
    settings = CrossvalSettings(
        str(data.resolve()), recipe, folds, fold_seed, beside, tuple(sorted({*leave_out}))
    )
    folder = CrossvalFolder.open(out, settings, cache, only).refusing(elsewhere)
    finish(folder, data, (by, against), jobs, as_json)


def finish(
    folder: CrossvalFolder,
    data: Path,
    compared: tuple[Sequence[str], Sequence[Path]],
    jobs: int,
    as_json: bool,
) -> None:
    """Train and answer what is missing; scores, receipt, and both on the screen.

    compared: the columns of `--by`, the folders of `--against`.
    """
    by, against = compared
    groups, others = _checked(folder, data, by, against)
    if not folder.answered():
        _run(folder, jobs)
    elif folder.elsewhere:
        click.echo(
            f"note: {folder.out} is answered: its bundle keeps the films of other regions that it "
            f"has learned to refuse; to give it these, delete {folder.evaluation}",
            err=True,
        )
    scores = write_scores(folder, groups, others)
    crossval_receipt(folder, data, by, others)
    metrics = read_metrics(folder.evaluation)
    if as_json:
        print_json(scores)
    else:
        print_scores(scores)
        if "cascade" in metrics:
            click.echo(cascade_sentence(metrics["cascade"]))
        click.echo(f"report: {folder.evaluation / 'report.html'}")
        click.echo(f"bundle of {len(folder.asked)} folds: {folder.bundle}")
    check_scored(metrics)


def _checked(
    folder: CrossvalFolder, data: Path, by: Sequence[str], against: Sequence[Path]
) -> tuple[Groups, dict[str, Path]]:
    """What scores are grouped by and compared with, before hours are spent on training."""
    from ulna.cli.crossval_steps import record_data
    from ulna.cli.fold_starts import warn_of_seen
    from ulna.datasets import index_data
    from ulna.datasets.meaning import check_meaning
    from ulna.evaluation.groups import column_groups
    from ulna.evaluation.left_out import place_of
    from ulna.evaluation.truth import tell_of_masks

    check_outputs(folder.out, "scores.json", "receipt.json")
    check_outputs(folder.evaluation, *EVALUATION_FILES)
    others = _others(against)
    for name in folder.left_out:
        place_of(folder.out, name).mkdir(parents=True, exist_ok=True)
        check_outputs(place_of(folder.out, name), *EVALUATION_FILES)
    groups = column_groups(data, folder.labelled, by)
    check_meaning([*folder.labelled, *folder.beside], folder.settings.recipe)
    record_data(folder)
    warn_of_seen(folder.settings.recipe, index_data(data), folder.labelled, folder.away)
    tell_of_masks(folder.labelled)
    return groups, others


def _others(against: Sequence[Path]) -> dict[str, Path]:
    """Predictions of each other method by its folder's name; by its path where names coincide."""
    from ulna.evaluation.out_of_fold import predictions_of

    names = [p.resolve().name for p in against]
    return {
        name if names.count(name) == 1 else str(p): predictions_of(p)
        for name, p in zip(names, against, strict=True)
    }


def _run(folder: CrossvalFolder, jobs: int) -> None:
    """Train what is not trained, answer every fold and write OUT/evaluation."""
    from ulna.cli.crossval_answers import answer_folds
    from ulna.cli.crossval_steps import train_folds
    from ulna.evaluation.left_out import answer_left_out
    from ulna.evaluation.pipeline import Asked, write_evaluation
    from ulna.evaluation.scores import Resampling
    from ulna.report.writers import report_writer
    from ulna.runtime import Predictor

    writer = report_writer()
    with progress() as report:
        train_folds(folder, jobs, report)
        bundle, rows = answer_folds(folder, report)
        rows = sorted(rows, key=lambda r: r.key)
        point = bundle.manifest.operating_point
        asked = Asked(point, Resampling())
        write_evaluation(bundle, rows, folder.evaluation, asked, [], writer)
        if folder.left_out:
            told = partial(report, "left out")
            predictor = Predictor.load(folder.bundle)
            answer_left_out(predictor, folder.left_out, folder.out, writer, told)


def write_scores(
    folder: CrossvalFolder, groups: Groups, others: Mapping[str, Path]
) -> dict[str, Any]:
    """Scores by group, and differences from `others`, as OUT/scores.json; returned too.

    Of several sources also what is met at each, and the scores of those left out.
    """
    from ulna.config.codec import write_json
    from ulna.evaluation.crossval_scores import crossval_scores
    from ulna.evaluation.left_out import source_names
    from ulna.evaluation.scores import Resampling

    names = source_names(folder.labelled), tuple(folder.left_out)
    scores = crossval_scores(folder.out, groups, others, *names, Resampling())
    write_json(scores, folder.out / "scores.json")
    return scores


def print_scores(scores: Mapping[str, Any]) -> None:
    """One row per group; what is met at each source; the differences from each other method."""
    _print_groups("out of fold", scores["scores"], "")
    print_sources(scores.get("sources", {}))
    for name, groups in scores["minus"].items():
        _print_groups(f"minus {name}, paired", groups, "+")


def _print_groups(title: str, groups: Mapping[str, Any], sign: str) -> None:
    rows = [
        [
            name,
            f"{found['n_abnormal']}/{found['n_studies']}",
            *(_cell(found[m], sign) for m in _SHOWN),
        ]
        for name, found in groups.items()
    ]
    print_table(title, ["group", "abnormal/all", *_SHOWN.values()], rows)


def _cell(found: Mapping[str, float | None], sign: str) -> str:
    if found["value"] is None:
        return "-"
    return f"{found['value']:{sign}.3f}\n{found['low']:{sign}.2f} to {found['high']:{sign}.2f}"
