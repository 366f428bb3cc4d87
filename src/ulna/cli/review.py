"""`ulna review`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ulna.cli.options import OUT_FOLDER, READABLE, json_option
from ulna.cli.output import print_json, print_table
from ulna.cli.progress import progress

if TYPE_CHECKING:
    from ulna.labels.label_errors import LabelError

_PRINTED = 10


@click.command(epilog="How the order is made and what it finds: docs/review.md")
@click.argument("data", type=READABLE)
@click.option(
    "--from",
    "from_",
    type=READABLE,
    required=True,
    metavar="FOLDER|FILE.csv",
    help="Of `ulna crossval`, or its predictions.csv (no maps).",
)
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for list and page.")
@click.option(
    "--top", type=click.IntRange(min=1), default=50, show_default=True, help="On the page."
)
@json_option
def review(data: Path, from_: Path, out: Path, top: int, as_json: bool) -> None:
    """List the studies of DATA whose label is most likely wrong, to be read again.

    Labels are compared with out-of-fold probabilities, of experts that have not seen the study
    (confident learning, cleanlab). OUT/review.csv has every study in order with the reasons;
    OUT/review.html shows the first with images and heat maps. Predictions of experts that learned
    from the labels are refused. Nothing in DATA is changed.

    \b
    Examples:
      ulna review table.csv --from runs/cv --out runs/review
      ulna review table.csv --from predictions.csv --out runs/review --top 100 --json
    """
    from ulna.experiments import review_labels
    from ulna.experiments.review_steps import NO_FOLDS

    with progress() as report:
        result = review_labels(data, from_, out, top=top, progress=report)
    if as_json:
        print_json(result.summary(top))
        return
    _print_parts(result.by_body_part)
    _print_head(result.label_errors[:_PRINTED])
    if not result.heat_maps:
        click.echo(f"note: {NO_FOLDS}", err=True)
    click.echo(f"list: {result.table}")
    click.echo(f"page: {result.page}")


def _print_parts(parts: Mapping[str, Mapping[str, int]]) -> None:
    columns = ["body part", "abnormal/all", "flagged normal", "flagged abnormal"]
    rows = [
        [
            part,
            f"{c['n_abnormal']}/{c['n']}",
            str(c["flagged_normal"]),
            str(c["flagged_abnormal"]),
        ]
        for part, c in parts.items()
    ]
    print_table("labels by body part", columns, rows)


def _print_head(label_errors: Sequence[LabelError]) -> None:
    rows = [
        [
            s.study.key,
            s.label,
            f"{s.probability:.2f}",
            f"{s.quality:.2f}",
            "yes" if s.flagged else "no",
        ]
        for s in label_errors
    ]
    columns = ["study", "label", "P(abnormal)", "label quality", "flagged"]
    print_table("read again first", columns, rows)
