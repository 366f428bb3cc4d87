"""`ulna crossval`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from ulna.cli.evaluate import cascade_sentence, print_sources
from ulna.cli.options import (
    OUT_FOLDER,
    READABLE,
    by_option,
    json_option,
    outliers_option,
    recipe_options,
)
from ulna.cli.output import print_json, print_table
from ulna.cli.progress import progress
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
@outliers_option
@click.option(
    "--leave-out",
    multiple=True,
    metavar="SOURCE",
    help="A source that no fold learns from; answered by all folds' bundle.",
)
@click.option("--cache", type=READABLE, help="Decoded images, shared by several runs.")
@json_option
def crossval(as_json: bool, **requested: Any) -> None:
    """Cross-validate a recipe on DATA by patient; one bundle of all folds' experts comes out.

    The folds are stratified by body part and label and depend on DATA, --folds and --fold-seed
    alone, so every recipe gets the same; studies that DATA holds out itself (valid, test) take no
    part. Studies without an answer are counted by reason at the end (exit code 10), the others
    are scored. Out-of-fold predictions go to OUT/evaluation/predictions.csv, their scores to
    OUT/scores.json; fusion and thresholds of a fold are fitted on the other folds. A killed run
    goes on where it was when the same command is given again.

    --only looks at some folds first; the others can follow in the same folder. --also adds
    training data to every fold, less the patients that it holds out. The images of --outliers are
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
    from ulna.experiments import cross_validate

    with progress() as report:
        result = cross_validate(**requested, progress=report)
    tell(result, as_json)


def tell(result: CrossvalResult, as_json: bool) -> None:
    """The scores, and where things lie; raises as `check_scored`."""
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
    """One row per group; what is met at each source; the differences from each other method."""
    _print_groups("out of fold", scores["scores"], "")
    print_sources(scores.get("sources", {}))
    for name, groups in scores["minus"].items():
        _print_groups(f"minus {name}, paired", groups, "+")


def _print_groups(title: str, groups: Mapping[str, Any], sign: str) -> None:
    rows = [
        [
            name,
            f"{result['n_abnormal']}/{result['n_studies']}",
            *(_cell(result[m], sign) for m in _SHOWN),
        ]
        for name, result in groups.items()
    ]
    print_table(title, ["group", "abnormal/all", *_SHOWN.values()], rows)


def _cell(result: Mapping[str, float | None], sign: str) -> str:
    if result["value"] is None:
        return "-"
    return f"{result['value']:{sign}.3f}\n{result['low']:{sign}.2f} to {result['high']:{sign}.2f}"
