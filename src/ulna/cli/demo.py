"""`ulna demo`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from ulna.cli.evaluate import print_metrics
from ulna.cli.options import OUT_FOLDER, READABLE, number_option
from ulna.cli.progress import with_progress
from ulna.experiments.incomplete import check_scored


@click.command(epilog="What to expect: docs/results/demo.md")
@click.option("--data", type=READABLE, help="Your own data (MURA folder, table) for phantoms.")
@click.option(
    "--out",
    type=OUT_FOLDER,
    default=Path("runs/demo"),
    show_default=True,
    help="Folder for all results.",
)
@click.option("--recipe", default="demo", show_default=True, help="What to train.")
@click.option(
    "--initial",
    multiple=True,
    metavar="[EXPERT=]KIND[:PATH]",
    help="Initial weights, as for `ulna train`; `random` trains all from scratch.",
)
@number_option("--seed", click.IntRange(min=0), 1, "Seed of the recipe and of the phantoms.")
@click.option("--studies", type=click.IntRange(min=200), help="Phantoms to make. [default: 1200]")
@click.option("--minutes", type=click.FloatRange(min=0), help="For training. [default: recipe's]")
@click.option(
    "--test-share",
    type=click.FloatRange(0.05, 0.9),
    help="Held out for the report: of the phantoms [default: 0.2], or of the patients of data "
    "without a split of their own [default: 0.25].",
)
def demo(**options: Any) -> None:
    """Run every step: phantoms (or your data), training, export, calibration, report.

    Ends with a table for each body part and the path of report.html. When a demo was stopped, the
    same command continues it.

    \b
    Examples:
      ulna demo
      ulna demo --seed 7 --out runs/seven
      ulna demo --initial random --out runs/from-scratch
      ulna demo --data MURA-v1.1 --out runs/mura
      ulna demo --data table.csv --recipe fracatlas --out runs/own
    """
    from ulna.experiments import run_demo

    started = time.monotonic()
    done = with_progress(run_demo, **options)
    click.echo()
    print_metrics(done.metrics)
    minutes_taken = (time.monotonic() - started) / 60
    click.echo(f"heat maps: {done.folder.heat_maps}")
    click.echo(f"report: {done.folder.report}  ({minutes_taken:.1f} minutes)")
    check_scored(done.metrics)
