"""`ulna verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ulna.cli.options import READABLE, json_option, number_option
from ulna.cli.output import print_json, print_table
from ulna.cli.progress import with_progress

if TYPE_CHECKING:
    from ulna.experiments import Verified

_WORDS = {True: "equal", False: "DIFFERS", None: "not compared"}


@click.command(epilog="What a receipt holds and what is compared: docs/verify.md")
@click.argument("results", type=READABLE, metavar="FOLDER|receipt.json")
@click.option("--data", type=READABLE, help="The data: labels, images and groups are compared.")
@click.option("--bundle", type=READABLE, help="The bundle; with --data it predicts again.")
@click.option(
    "--studies",
    type=click.IntRange(min=0),
    help="Studies predicted again, at random. [default: all]",
)
@number_option("--seed", click.IntRange(min=0), 0, "Seed of the choice of these studies.")
@json_option
def verify(as_json: bool, **options: Any) -> None:
    """Recompute the numbers in FOLDER from its receipt, and compare.

    Every file is compared by its SHA-256; scores and intervals are recomputed from
    predictions.csv with the same bootstrap draws. --data compares labels and images; with --bundle
    the bundle predicts again and probabilities are compared (a cross-validation uses the bundles
    of its own folds, and needs --data alone). Exit code 0 if all is equal, 9 if not.

    \b
    Examples:
      ulna verify runs/first/evaluation
      ulna verify runs/first/evaluation --data phantoms --bundle runs/first/bundle --studies 20
      ulna verify runs/cv --data table.csv
    """
    from ulna.experiments import verify as verify_results

    verified = with_progress(verify_results, **options)
    if as_json:
        equal = not verified.wrong
        print_json({"receipt": verified.receipt, "equal": equal, "checks": verified.checks})
    else:
        _print(verified)
    verified.check()


def _print(verified: Verified) -> None:
    receipt = verified.receipt
    click.echo(f"made by: {' '.join(receipt.command)}")
    commit = receipt.code.get("commit", "unknown")
    click.echo(f"with ulna {receipt.code.get('ulna', 'unknown')}, commit {commit}")
    rows = [[c.what, _WORDS[c.equal], c.message] for c in verified.checks]
    print_table("", ["check", "verdict", "result"], rows)
