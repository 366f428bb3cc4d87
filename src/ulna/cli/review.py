"""`ulna review`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ulna.cli.options import OUT_FOLDER, READABLE, json_option, number_option
from ulna.cli.output import print_json, print_table
from ulna.cli.progress import with_progress

if TYPE_CHECKING:
    from ulna.labels.label_errors import LabelError

_PRINTED = 10


@click.command(epilog="How studies are ranked, and how well it works: docs/review.md")
@click.argument("data", type=READABLE)
@click.option(
    "--from",
    "from_",
    type=READABLE,
    required=True,
    metavar="FOLDER|FILE.csv",
    help="Folder of `ulna crossval`, or its predictions.csv (no maps).",
)
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for list and page.")
@number_option("--top", click.IntRange(min=1), 50, "Studies on the page.")
@json_option
def review(as_json: bool, top: int, **options: Any) -> None:
    """List the studies of DATA whose label is most likely wrong, to be read again.

    Labels are compared with out-of-fold probabilities, from experts that were trained without the
    study (confident learning, cleanlab). OUT/review.csv ranks every study with the reasons;
    OUT/review.html shows the first with images and heat maps. Predictions of experts that were
    trained on the labels are refused. Nothing in DATA is changed.

    \b
    Examples:
      ulna review table.csv --from runs/cv --out runs/review
      ulna review table.csv --from predictions.csv --out runs/review --top 100 --json
    """
    from ulna.experiments import review_labels
    from ulna.experiments.review_steps import NO_FOLDS

    reviewed = with_progress(review_labels, top=top, **options)
    if as_json:
        print_json(reviewed.summary(top))
        return
    _print_parts(reviewed.by_body_part)
    _print_head(reviewed.label_errors[:_PRINTED])
    if not reviewed.heat_maps:
        click.echo(f"note: {NO_FOLDS}", err=True)
    click.echo(f"list: {reviewed.table}")
    click.echo(f"page: {reviewed.page}")


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
