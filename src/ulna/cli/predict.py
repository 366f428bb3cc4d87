"""`ulna predict`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulna.cli.answer import COLUMNS, outcome_notes, outcome_row
from ulna.cli.options import (
    OUT_FOLDER,
    READABLE,
    engine_option,
    json_option,
    number_option,
    operating_point_option,
)
from ulna.cli.output import print_json, print_table
from ulna.cli.predict_table import check_table_options, write_table
from ulna.experiments.incomplete import check_outcomes

if TYPE_CHECKING:
    from ulna.runtime.answer_json import Outcome


_BODY_PARTS = ["ELBOW", "FINGER", "FOREARM", "HAND", "HUMERUS", "SHOULDER", "WRIST"]
_DEMONSTRATION = (
    "DEMONSTRATION: the bundle was trained on simulated images only; it must not be used on "
    "patients"
)


@click.command(epilog="Research only: not a medical device. Limits: docs/limits.md")
@click.argument("paths", nargs=-1, required=True, type=READABLE, metavar="PATH...")
@click.option(
    "--bundle",
    type=READABLE,
    help="The bundle's folder (from `ulna export`), or 'demonstration' for that of simulated "
    "images. [default: the one that comes with ulna; `ulna info` shows its intended use]",
)
@click.option(
    "--body-part",
    type=click.Choice(_BODY_PARTS, case_sensitive=False),
    help="What the images show. [default: DICOM header or data folder, else recognised]",
)
@click.option(
    "--recognise", is_flag=True, help="Recognise the body part even where the data name it."
)
@click.option("--out", type=OUT_FOLDER, help="Folder for the heat maps, one PNG for each view.")
@click.option(
    "--finding-maps", is_flag=True, help="With --out: a PNG of each category of finding, too."
)
@operating_point_option
@number_option(
    "--error-rate",
    click.FloatRange(0, 1, min_open=True, max_open=True),
    0.1,
    "Of the triage: how often it may rule out the true label.",
)
@click.option("--worklist", is_flag=True, help="Most urgent first, by the triage.")
@click.option(
    "--cascade", is_flag=True, help="Skip experts where the first are confident (docs/cascade.md)."
)
@click.option(
    "--table",
    type=READABLE,
    metavar="OUT.csv|OUT.parquet",
    help="Write a row for each image there; the same command continues a killed run.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    show_default="half of the cores",
    help="With --table: threads that read images.",
)
@engine_option("auto")
@json_option
def predict(
    out: Path | None,
    body_part: str | None,
    recognise: bool,
    finding_maps: bool,
    error_rate: float,
    worklist: bool,
    table: Path | None,
    workers: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Predict for each study at PATH: body part, abnormal or not, findings and where they are.

    An image (PNG, JPEG, TIFF) that is named directly is a study of one view. The images in
    a folder are the views of one study; folders in it are studies of their own. DICOM objects
    are grouped by Study Instance UID. A MURA or phantom folder or a table (.csv, .tsv) holds
    the studies it lists. One note reports what is left out (docs/data.md).

    For a study called abnormal the leading finding is named, where the bundle knows findings. The
    word for abnormal is what the bundle's label stands for (a fracture, any abnormality).

    Triage calls a study normal or abnormal only where the other label can be ruled out at the
    error rate; otherwise it refers the study to a reader (docs/metrics.md).

    Images that are out of distribution are refused with a reason, and inverted polarity is
    corrected; both are reported (docs/refusal.md).

    With --table the answers for thousands of studies go to one table, without maps
    (docs/batch.md).

    Without --bundle the one that comes with ulna is used; `ulna info` names it. Where it is a
    demonstration, trained on simulated images only, it must not be used on patients.

    \b
    Examples:
      ulna predict image.png
      ulna predict image.png --bundle runs/demo/bundle
      ulna predict visit/ other.dcm --bundle runs/demo/bundle --out maps
      ulna predict visit/ --bundle runs/demo/bundle --out maps --finding-maps
      ulna predict today/ --bundle runs/demo/bundle --worklist --error-rate 0.05
      ulna predict image.png --bundle runs/demo/bundle --body-part WRIST --json
      ulna predict archive/ --bundle runs/demo/bundle --table answers.csv
    """
    from ulna.experiments.answers import check_options, predict_table
    from ulna.experiments.answers import predict as answer
    from ulna.runtime.worklist import worklist as by_urgency

    check_options(body_part, recognise, finding_maps, out)
    check_table_options(table, workers, out=out, worklist=worklist, json=as_json)
    if table is not None:
        write_table(
            predict_table,
            table=table,
            error_rate=error_rate,
            workers=workers,
            body_part=body_part,
            recognise=recognise,
            **options,
        )
        return
    each = answer(
        body_part=body_part,
        recognise=recognise,
        out=out,
        finding_maps=finding_maps,
        worklist=worklist,
        **options,
    )
    ranked = partial(by_urgency, error_rate=error_rate) if worklist else list
    check_outcomes(_shown(each, lambda o: _print(ranked(o), error_rate, as_json, out)))


def _shown(each: Iterator[Outcome], show: Callable[[list[Outcome]], None]) -> list[Outcome]:
    """Return all outcomes; those there are get shown even where an error ends the rest."""
    outcomes: list[Outcome] = []
    try:
        for outcome in each:
            outcomes.append(outcome)
    finally:
        show(outcomes)
    return outcomes


def _print(outcomes: list[Outcome], error_rate: float, as_json: bool, out: Path | None) -> None:
    from ulna.runtime.answer_json import outcome_json

    if as_json:
        print_json([outcome_json(o, error_rate) for o in outcomes])
    elif answers := [o.answer for o in outcomes if o.answer is not None]:
        print_table("", COLUMNS, [outcome_row(o, error_rate) for o in outcomes])
        for note in (n for o in outcomes for n in outcome_notes(o)):
            click.echo(note)
        point = answers[0].operating_point
        click.echo(
            f"operating point {point}, triage at error rate {error_rate:g}; "
            "research only, not a medical device"
        )
        if answers[0].demonstration:
            click.echo(_DEMONSTRATION)
        if out is not None:
            click.echo(f"heat maps: {out}")
        if answers[0].map_reliable is False:
            click.echo("heat maps failed their examination: do not rely on them (ulna info)")
