"""`ulna demo`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ulna.cli.evaluate import print_metrics
from ulna.cli.options import OUT_FOLDER, READABLE
from ulna.cli.progress import progress
from ulna.experiments.incomplete import check_scored


@click.command(epilog="What to expect: docs/results/demo.md")
@click.option("--data", type=READABLE, help="Your own data (MURA folder, table) for phantoms.")
@click.option(
    "--out", type=OUT_FOLDER, default=Path("runs/demo"), show_default=True, help="Where all goes."
)
@click.option("--recipe", default="demo", show_default=True, help="What to train.")
@click.option(
    "--initial",
    multiple=True,
    metavar="[EXPERT=]KIND[:PATH]",
    help="Initial weights, as for `ulna train`; `random` learns all from nothing.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--studies", type=click.IntRange(min=200), help="Phantoms to make. [default: 1200]")
@click.option("--minutes", type=click.FloatRange(min=0), help="For training. [default: recipe's]")
@click.option(
    "--test-share",
    type=click.FloatRange(0.05, 0.9),
    help="Held out for the report: of the phantoms [default: 0.2], or of the patients of data "
    "without a split of their own [default: 0.25].",
)
def demo(
    data: Path | None,
    out: Path,
    recipe: str,
    initial: tuple[str, ...],
    seed: int,
    studies: int | None,
    minutes: float | None,
    test_share: float | None,
) -> None:
    """Everything in one go: phantoms (or your data), training, export, calibration, report.

    Ends in a table for each body part and the path of report.html. A demo that was stopped
    goes on where it was when the same command is given again.

    \b
    Examples:
      ulna demo
      ulna demo --seed 7 --out runs/seven
      ulna demo --initial random --out runs/from-nothing
      ulna demo --data MURA-v1.1 --out runs/mura
      ulna demo --data table.csv --recipe fracatlas --out runs/own
    """
    from ulna.experiments import run_demo

    started = time.monotonic()
    with progress() as report:
        done = run_demo(
            data=data,
            out=out,
            recipe=recipe,
            initial=initial,
            seed=seed,
            studies=studies,
            minutes=minutes,
            test_share=test_share,
            progress=report,
        )
    click.echo()
    print_metrics(done.metrics)
    minutes_taken = (time.monotonic() - started) / 60
    click.echo(f"heat maps: {done.folder.heat_maps}")
    click.echo(f"report: {done.folder.report}  ({minutes_taken:.1f} minutes)")
    check_scored(done.metrics)
