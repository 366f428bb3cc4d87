"""`ulna verify`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ulna.cli.options import READABLE, json_option
from ulna.cli.output import print_json, print_table
from ulna.cli.progress import progress

if TYPE_CHECKING:
    from ulna.provenance.receipt import Receipt
    from ulna.provenance.verify import Check

_WORDS = {True: "equal", False: "DIFFERS", None: "not compared"}


@click.command(epilog="What a receipt holds and what is compared: docs/verify.md")
@click.argument("results", type=READABLE, metavar="FOLDER|receipt.json")
@click.option("--data", type=READABLE, help="The data: labels, images and groups are compared.")
@click.option("--bundle", type=READABLE, help="The bundle; with --data it is asked again.")
@click.option(
    "--studies",
    type=click.IntRange(min=0),
    help="Answered again: so many, at random. [default: all]",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of these.")
@json_option
def verify(
    results: Path,
    data: Path | None,
    bundle: Path | None,
    studies: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Compute the numbers in FOLDER again from its receipt, and compare.

    Every file is compared by its SHA-256; scores and intervals are computed again from
    predictions.csv with the same bootstrap draws. --data compares labels and images; with --bundle
    it asks the bundle again and compares probabilities (a cross-validation asks the bundles
    of its own folds, and needs --data alone). Exit code 0 if all is equal, 9 if not.

    \b
    Examples:
      ulna verify runs/first/evaluation
      ulna verify runs/first/evaluation --data phantoms --bundle runs/first/bundle --studies 20
      ulna verify runs/cv --data table.csv
    """
    from ulna.experiments import verify as verify_results

    with progress() as report:
        result = verify_results(
            results, data=data, bundle=bundle, studies=studies, seed=seed, progress=report
        )
    if as_json:
        equal = not result.wrong
        print_json({"receipt": result.receipt, "equal": equal, "checks": result.checks})
    else:
        _print(result.receipt, result.checks)
    result.check()


def _print(receipt: Receipt, checks: Sequence[Check]) -> None:
    click.echo(f"made by: {' '.join(receipt.command)}")
    commit = receipt.code.get("commit", "unknown")
    click.echo(f"with ulna {receipt.code.get('ulna', 'unknown')}, commit {commit}")
    rows = [[c.what, _WORDS[c.equal], c.message] for c in checks]
    print_table("", ["what", "verdict", "found"], rows)
