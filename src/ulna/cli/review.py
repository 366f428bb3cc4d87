"""`ulna review`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulna.cli.extras import require
from ulna.cli.options import OUT_FOLDER, READABLE, json_option
from ulna.cli.output import check_outputs, print_json, print_table
from ulna.cli.progress import progress
from ulna.cli.receipts import review_receipt
from ulna.config.meaning import answer_words

if TYPE_CHECKING:
    from ulna.labels.suspects import Suspect

_PRINTED = 10


@click.command(epilog="How the order is made and what it finds: docs/review.md")
@click.argument("data", type=READABLE)
@click.option(
    "--from",
    "source",
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
def review(data: Path, source: Path, out: Path, top: int, as_json: bool) -> None:
    """List the studies of DATA whose label is most likely wrong, to be read again.

    Labels are compared with out-of-fold probabilities, of experts that have not seen the study
    (confident learning, cleanlab). OUT/review.csv has every study in order with the reasons;
    OUT/review.html shows the first with films and heat maps. Predictions of experts that learned
    from the labels are refused. Nothing in DATA is changed.

    \b
    Examples:
      ulna review table.csv --from runs/cv --out runs/review
      ulna review table.csv --from predictions.csv --out runs/review --top 100 --json
    """
    require("report", "review")
    from ulna.cli.review_steps import NO_FOLDS, are_phantoms, fold_experts, meaning_of, show_head
    from ulna.datasets import index_data
    from ulna.evaluation.out_of_fold import predictions_of
    from ulna.labels.suspects import rank_labels, write_suspects
    from ulna.report.review_page import count_by_part, write_review_page

    check_outputs(out, "review.csv", "review.html", "receipt.json")
    predictions = predictions_of(source)
    suspects = rank_labels(index_data(data), predictions)
    experts = fold_experts(source, suspects[:top])
    out.mkdir(parents=True, exist_ok=True)
    write_suspects(suspects, out / "review.csv")
    with progress() as report:
        entries, scale = show_head(suspects[:top], experts, report)
    about = {
        "data": data.name,
        "predictions": source.name,
        "notes": [] if experts else [NO_FOLDS],
        "phantoms": are_phantoms(suspects),
        "words": answer_words(meaning_of(predictions)),
    }
    write_review_page(suspects, entries, scale, about, out / "review.html")
    review_receipt(out, data, predictions, [s.study for s in suspects])
    parts = count_by_part(suspects)
    if as_json:
        print_json(_summary(suspects, parts, top, bool(experts)))
        return
    _print_parts(parts)
    _print_head(suspects[:_PRINTED])
    if not experts:
        click.echo(f"note: {NO_FOLDS}", err=True)
    click.echo(f"list: {out / 'review.csv'}")
    click.echo(f"page: {out / 'review.html'}")


def _summary(
    suspects: Sequence[Suspect], parts: Mapping[str, Any], top: int, maps: bool
) -> dict[str, Any]:
    return {
        "n_studies": len(suspects),
        "n_flagged": sum(s.flagged for s in suspects),
        "by_body_part": parts,
        "heat_maps": maps,
        "head": [
            {
                "rank": s.rank,
                "study": s.study.key,
                "label": s.label,
                "study_probability": s.probability,
                "label_quality": s.quality,
                "flagged": s.flagged,
                "reasons": s.reasons,
            }
            for s in suspects[:top]
        ],
    }


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


def _print_head(suspects: Sequence[Suspect]) -> None:
    rows = [
        [
            s.study.key,
            s.label,
            f"{s.probability:.2f}",
            f"{s.quality:.2f}",
            "yes" if s.flagged else "no",
        ]
        for s in suspects
    ]
    columns = ["study", "label", "P(abnormal)", "label quality", "flagged"]
    print_table("read again first", columns, rows)
