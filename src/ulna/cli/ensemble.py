"""`ulna ensemble`."""

from __future__ import annotations

from typing import Any

import click

from ulna.cli.crossval import print_crossval
from ulna.cli.options import OUT_FOLDER, READABLE, folds_options, json_option, outliers_option
from ulna.cli.progress import with_progress


@click.command(epilog="The protocol and its measures: docs/metrics.md")
@click.argument("folders", nargs=-1, required=True, type=READABLE, metavar="FOLDER FOLDER...")
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for folds, scores and bundle.")
@folds_options
@click.option(
    "--fusion",
    type=click.Choice(["fitted", "mean"]),
    help="How the experts are combined.  [default: as in the first FOLDER]",
)
@outliers_option
@json_option
def ensemble(as_json: bool, **options: Any) -> None:
    """Combine the experts of several `ulna crossval`; nothing is trained.

    Each FOLDER is a finished cross-validation of the same data on the same folds, with recipes
    that differ only in how experts are trained. OUT becomes a cross-validation of all their
    experts: fusion, temperatures and thresholds of a fold are fitted on the other folds, and
    scores, receipt and the bundle of all folds are as of `ulna crossval`. An expert whose name is
    taken is called EXPERT_2, EXPERT_3, ...

    \b
    Examples:
      ulna ensemble runs/cv runs/cv-other-seed --out runs/both --against runs/cv
    """
    from ulna.experiments import ensemble as combine

    print_crossval(with_progress(combine, **options), as_json)
