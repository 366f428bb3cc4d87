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
    from ulna.evaluation.scores import Json
    from ulna.provenance.receipt import Receipt
    from ulna.provenance.verify import Check
    from ulna.types import Study

_NO_POINT = "the receipt's method has no operating_point: damaged; take the original"
_WORDS = {True: "equal", False: "DIFFERS", None: "not compared"}


@click.command(epilog="What a receipt holds and what is compared: docs/verify.md")
@click.argument("results", type=READABLE, metavar="FOLDER|receipt.json")
@click.option("--data", type=READABLE, help="The data: labels, films and groups are compared.")
@click.option("--bundle", type=READABLE, help="The bundle; with --data it is asked again.")
@click.option(
    "--studies", type=click.IntRange(min=0), help="Asked again: so many, at random. [default: all]"
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
    predictions.csv with the same bootstrap draws. --data compares labels and films; with --bundle
    it asks the bundle again and compares probabilities (a cross-validation asks the bundles
    of its own folds, and needs --data alone). Exit code 0 if all is equal, 9 if not.

    \b
    Examples:
      ulna verify runs/first/evaluation
      ulna verify runs/first/evaluation --data phantoms --bundle runs/first/bundle --studies 20
      ulna verify runs/cv --data table.csv
    """
    from ulna.errors import VerificationError
    from ulna.provenance.receipt import find_receipt, read_receipt

    file = find_receipt(results)
    receipt = read_receipt(file)
    checks = _checks(receipt, file.parent, data, bundle, (studies, seed))
    wrong = [c for c in checks if c.equal is False]
    if as_json:
        print_json({"receipt": receipt, "equal": not wrong, "checks": checks})
    else:
        _print(receipt, checks)
    if wrong:
        raise VerificationError(
            f"{len(wrong)} of {len(checks)} checks of {file} differ (first: {wrong[0].what}): "
            "expected results as the receipt has them; take the originals or make them again with "
            "its command"
        )


def _checks(
    receipt: Receipt,
    folder: Path,
    data: Path | None,
    bundle: Path | None,
    sample: tuple[int | None, int],
) -> list[Check]:
    """All that can be compared with what was given. sample: how many studies, and their seed."""
    from ulna.datasets import index_data
    from ulna.evaluation.groups import column_groups
    from ulna.provenance.verify import check_code, check_files, check_numbers
    from ulna.provenance.verify_data import check_bundles

    groups: Json | None = None
    used: list[Study] = []
    if data is not None:
        used = index_data(data)
        groups = column_groups(data, used, receipt.method.get("by", ()))
    places = {n: folder / n for n in receipt.bundles if n}
    if bundle is not None:
        places[""] = bundle
    checks = [check_code(receipt), *check_files(receipt, folder)]
    checks += check_numbers(receipt, folder, groups)
    checks += check_bundles(receipt, places)
    if data is not None and receipt.kind in ("evaluate", "crossval"):
        checks += _asked_again(receipt, folder, used, places, sample)
    return checks


def _asked_again(
    receipt: Receipt,
    folder: Path,
    studies: Sequence[Study],
    places: dict[str, Path],
    sample: tuple[int | None, int],
) -> list[Check]:
    from ulna.config.engine import PORTABLE, EngineSettings
    from ulna.errors import DatasetError
    from ulna.evaluation.table_reading import read_predictions
    from ulna.provenance import verify_data
    from ulna.provenance.verify import Check

    inside = "evaluation" if receipt.kind == "crossval" else ""
    try:
        rows = read_predictions(folder / inside / "predictions.csv")
    except DatasetError as error:
        return [Check("data", False, str(error))]
    used = verify_data.used_studies(rows, studies)
    checks = verify_data.check_data(receipt, rows, used)
    chosen = verify_data.choose_studies(used, *sample)
    point = str(receipt.method.get("operating_point", ""))
    # Receipts of earlier versions know one engine only.
    engine = EngineSettings.parse(str(receipt.method.get("engine", PORTABLE)))
    folds = {n.removesuffix("/bundle"): p for n, p in places.items() if n.startswith("fold")}
    if not chosen or not (folds or "" in places):
        said = "not compared: " + ("no studies" if not chosen else "give --bundle")
        return [*checks, Check("probabilities asked again", None, said)]
    if not point:
        return [*checks, Check("probabilities asked again", False, _NO_POINT)]
    with progress() as report:

        def told(done: int, n: int) -> None:
            report("predict", done, n)

        if folds:
            asked = verify_data.check_fold_answers(rows, chosen, folds, point, told)
        else:
            asked = verify_data.check_answers(rows, chosen, places[""], point, engine, told)
    return [*checks, asked]


def _print(receipt: Receipt, checks: Sequence[Check]) -> None:
    click.echo(f"made by: {' '.join(receipt.command)}")
    commit = receipt.code.get("commit", "unknown")
    click.echo(f"with ulna {receipt.code.get('ulna', 'unknown')}, commit {commit}")
    rows = [[c.what, _WORDS[c.equal], c.said] for c in checks]
    print_table("", ["what", "verdict", "found"], rows)
