"""`ulna crossval`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ulna.cli.evaluate import cascade_sentence, print_sources
from ulna.cli.options import (
    OUT_FOLDER,
    READABLE,
    folds_options,
    json_option,
    number_option,
    outliers_option,
    recipe_options,
)
from ulna.cli.output import interval_text, print_json, print_table
from ulna.cli.progress import with_progress
from ulna.experiments.incomplete import check_scored

if TYPE_CHECKING:
    from ulna.experiments.crossval import CrossvalResult

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
@number_option("--folds", click.IntRange(min=2), 5, "Number of folds.")
@number_option(
    "--fold-seed",
    click.IntRange(min=0),
    0,
    "Seed of the folds only; the seed of training is the recipe's.",
)
@number_option("--jobs", click.IntRange(min=1), 1, "Folds trained at a time.")
@folds_options
@click.option("--also", type=READABLE, help="Further training data for every fold.")
@outliers_option
@click.option(
    "--leave-out",
    multiple=True,
    metavar="SOURCE",
    help="A source to keep out of training; predicted by the bundle of all folds.",
)
@click.option("--cache", type=READABLE, help="Decoded images, shared by several runs.")
@json_option
def crossval(as_json: bool, **options: Any) -> None:
    """Cross-validate a recipe on DATA by patient, and write one bundle of all folds' experts.

    The folds are stratified by body part and label and depend only on DATA, --folds and
    --fold-seed, so every recipe gets the same; studies that DATA holds out itself (valid, test)
    are not used. Studies without an answer are counted by reason at the end (exit code 10), the
    others are scored. Out-of-fold predictions go to OUT/evaluation/predictions.csv, their scores
    to OUT/scores.json; fusion and thresholds of a fold are fitted on the other folds. When a run
    was killed, the same command continues it.

    With --only some folds are run first; the others can follow in the same folder. --also adds
    training data to every fold, without the patients that it holds out. The bundle of all folds
    refuses images like those of --outliers (docs/refusal.md). --against takes the folder
    of another `ulna crossval`, or any folder with a predictions.csv on the same folds.

    Where DATA is a table of sources (docs/sources.md), scores are reported by source too. A
    source of --leave-out is not trained on: the bundle of all folds predicts it,
    OUT/left_out/SOURCE holds its evaluation, and its scores are listed with the others.

    \b
    Examples:
      ulna crossval table.csv --recipe fracatlas --out runs/cv --jobs 2
      ulna crossval table.csv --recipe fracatlas --initial random --out runs/cv-random \\
          --against runs/cv --by hardware --by source_width:1000
      ulna crossval sources.csv --recipe fracatlas --out runs/cv-left --leave-out mendeley_wrist
    """
    from ulna.experiments import cross_validate

    print_crossval(with_progress(cross_validate, **options), as_json)


def print_crossval(result: CrossvalResult, as_json: bool) -> None:
    """Print the scores and where the files are; raise as `check_scored`."""
    folder, metrics = result.folder, result.metrics
    if as_json:
        print_json(result.scores)
    else:
        print_scores(result.scores)
        if "cascade" in metrics:
            click.echo(cascade_sentence(metrics["cascade"]))
        click.echo(f"report: {folder.evaluation / 'report.html'}")
        click.echo(f"bundle of {len(folder.requested)} folds: {folder.bundle}")
    check_scored(metrics)


def print_scores(scores: Mapping[str, Any]) -> None:
    """Print a row for each group and source, then the differences from other methods."""
    _print_groups("out of fold", scores["scores"], "")
    print_sources(scores.get("sources", {}))
    for name, groups in scores["minus"].items():
        _print_groups(f"minus {name}, paired", groups, "+")


def _print_groups(title: str, groups: Mapping[str, Any], sign: str) -> None:
    rows = [
        [
            name,
            f"{scores['n_abnormal']}/{scores['n_studies']}",
            *(interval_text(scores[m], "\n", sign) for m in _SHOWN),
        ]
        for name, scores in groups.items()
    ]
    print_table(title, ["group", "abnormal/all", *_SHOWN.values()], rows)
