"""`ulna ensemble`."""

from __future__ import annotations

from pathlib import Path

import click

from ulna.cli.crossval import tell
from ulna.cli.options import OUT_FOLDER, READABLE, by_option, json_option, outliers_option
from ulna.cli.progress import progress
from ulna.config.recipe import FusionKind


@click.command(epilog="The protocol and its measures: docs/metrics.md")
@click.argument("folders", nargs=-1, required=True, type=READABLE, metavar="FOLDER FOLDER...")
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for folds, scores and bundle.")
@by_option("Scores by a column of the table too.")
@click.option(
    "--against", multiple=True, type=READABLE, metavar="FOLDER", help="Paired differences from it."
)
@click.option(
    "--only", multiple=True, type=int, metavar="FOLD", help="A fold, from 0; may be repeated."
)
@click.option(
    "--fusion",
    type=click.Choice(["fitted", "mean"]),
    help="How experts become one answer.  [default: as of the first FOLDER]",
)
@outliers_option
@json_option
def ensemble(
    folders: tuple[Path, ...],
    out: Path,
    by: tuple[str, ...],
    against: tuple[Path, ...],
    only: tuple[int, ...],
    fusion: FusionKind | None,
    outliers: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Let the experts of several `ulna crossval` answer together; nothing is trained.

    Each FOLDER is a finished cross-validation of the same data on the same folds, of recipes that
    differ in how experts are trained alone. OUT becomes a cross-validation of all their
    experts: fusion, temperatures and thresholds of a fold are fitted on the other folds, and
    scores, receipt and the bundle of all folds are as of `ulna crossval`. An expert whose name is
    taken is called EXPERT_2, EXPERT_3, ...

    \b
    Examples:
      ulna ensemble runs/cv runs/cv-other-seed --out runs/both --against runs/cv
    """
    from ulna.experiments import ensemble as unite

    with progress() as report:
        result = unite(
            folders,
            out,
            by=by,
            against=against,
            only=only,
            fusion=fusion,
            outliers=outliers,
            progress=report,
        )
    tell(result, as_json)
