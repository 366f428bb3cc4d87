"""`ulna predict`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ulna.cli.answer import (
    COLUMNS,
    answer_json,
    answer_notes,
    answer_row,
    folder_name,
    write_heat_maps,
)
from ulna.cli.answer import worklist as by_urgency
from ulna.cli.given_paths import index_paths
from ulna.cli.options import (
    OUT_FOLDER,
    READABLE,
    body_part_option,
    engine_option,
    json_option,
    optional_bundle_option,
)
from ulna.cli.output import print_json, print_table
from ulna.cli.predict_table import check_table_options, predict_table, table_settings
from ulna.errors import ConfigError, ImageError

if TYPE_CHECKING:
    from ulna.config.engine import EngineSettings
    from ulna.types import Study, StudyPrediction


NO_BUNDLE = "note: no --bundle: the demonstration that comes with ulna answers"
DEMONSTRATION = (
    "DEMONSTRATION: the bundle learned from simulated films alone; it must not be used on patients"
)


@click.command(epilog="Research only: not a medical device. Limits: docs/limits.md")
@click.argument("paths", nargs=-1, required=True, type=READABLE, metavar="PATH...")
@optional_bundle_option
@body_part_option("What the films show. [default: DICOM header or data folder, else recognised]")
@click.option("--recognise", is_flag=True, help="Never trust the given body part; look.")
@click.option("--out", type=OUT_FOLDER, help="Folder for the heat maps, one PNG for each view.")
@click.option("--operating-point", help="One of the bundle's. [default: the bundle's own]")
@click.option(
    "--error-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.1,
    show_default=True,
    help="Of the triage: how often it may rule out the true label.",
)
@click.option("--worklist", is_flag=True, help="Most urgent first, by the triage.")
@click.option(
    "--cascade", is_flag=True, help="Skip experts where the first are certain (docs/cascade.md)."
)
@click.option(
    "--table",
    type=READABLE,
    metavar="OUT.csv|OUT.parquet",
    help="Write a row for each image there; the same command goes on after a kill.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    show_default="half of the cores",
    help="With --table: threads that read films.",
)
@engine_option("auto")
@json_option
def predict(
    paths: tuple[Path, ...],
    bundle: Path | None,
    body_part: str | None,
    recognise: bool,
    out: Path | None,
    operating_point: str | None,
    error_rate: float,
    worklist: bool,
    cascade: bool,
    table: Path | None,
    workers: int,
    engine: EngineSettings,
    as_json: bool,
) -> None:
    """Answer for each study at PATH: which body part, abnormal or not, how sure, where.

    A film (PNG, JPEG, TIFF, BMP, WebP) given by its name is a study of one view. The films in
    a folder are the views of one study; folders in it are studies of their own. DICOM objects
    are grouped by Study Instance UID. A MURA or phantom folder or a table (.csv, .tsv) holds
    the studies it says. What is left out is told in one note (docs/data.md).

    Triage calls a study normal or abnormal only where the other label can be ruled out at the
    error rate, else it refers the study to a reader (docs/metrics.md).

    What is no film of the kind the bundle knows is refused with a reason, and a film of inverted
    polarity is put right; both are said (docs/refusal.md).

    With --table thousands of studies go to one table, without maps (docs/batch.md).

    Without --bundle the one that comes with ulna answers at once. It is a demonstration that
    learned from simulated films alone: it must not be used on patients.

    \b
    Examples:
      ulna predict film.png
      ulna predict film.png --bundle runs/demo/bundle
      ulna predict visit/ other.dcm --bundle runs/demo/bundle --out maps
      ulna predict today/ --bundle runs/demo/bundle --worklist --error-rate 0.05
      ulna predict film.png --bundle runs/demo/bundle --body-part WRIST --json
      ulna predict archive/ --bundle runs/demo/bundle --table answers.csv
    """
    from ulna.bundle import BOX_BUNDLE
    from ulna.runtime import Predictor

    if recognise and body_part:
        raise ConfigError("--recognise with --body-part: expected one of them")
    check_table_options(table, workers, out=out, worklist=worklist, json=as_json)
    if bundle is None:
        click.echo(NO_BUNDLE, err=True)
    predictor = Predictor.load(bundle or BOX_BUNDLE, engine)
    predictor = predictor.with_cascade() if cascade else predictor
    studies = _studies(paths, body_part)
    if table is not None:
        asked = table_settings(operating_point, recognise, error_rate, workers)
        predict_table(predictor, studies, table, asked)
        return
    ask = partial(predictor.predict, operating_point=operating_point)
    if recognise:
        ask = partial(ask, body_part="recognise")
    answers, unreadable = _ask_all(ask, studies, out, predictor.manifest.fusion.map_limit)
    if worklist:
        answers = by_urgency(answers, error_rate)
    _print(answers, error_rate, as_json, out)
    if unreadable:
        raise _combined(unreadable, len(studies))


def _studies(paths: Sequence[Path], body_part: str | None) -> list[Study]:
    from ulna.types import BodyPart

    studies = index_paths(paths)
    if body_part is None:
        return studies
    return [replace(s, body_part=BodyPart.parse(body_part)) for s in studies]


def _ask_all(
    ask: Callable[[Study], StudyPrediction],
    studies: Sequence[Study],
    out: Path | None,
    limit: float,
) -> tuple[list[StudyPrediction], list[str]]:
    """The answers, whose maps go to `out`; the reasons of studies without a readable image.

    limit: the logit of the maps' last colour.
    """
    answers: list[StudyPrediction] = []
    unreadable: list[str] = []
    taken: set[str] = set()
    for study in studies:
        try:
            answer = ask(study)
        except ImageError as error:
            unreadable.append(str(error))
            continue
        if out is not None:
            write_heat_maps(answer, out / _new_name(folder_name(answer), taken), limit)
        answers.append(_without_maps(answer))
    return answers, unreadable


def _new_name(name: str, taken: set[str]) -> str:
    """`name`, numbered if it is in `taken`, where it is put."""
    numbers = (f"{name}_{i}" for i in count(2))
    chosen = name if name not in taken else next(n for n in numbers if n not in taken)
    taken.add(chosen)
    return chosen


def _without_maps(answer: StudyPrediction) -> StudyPrediction:
    """Thousands of studies must not keep thousands of full-size maps in memory."""
    images = tuple(replace(i, heat_map=i.grid) for i in answer.images)
    return replace(answer, images=images)


def _print(
    answers: list[StudyPrediction], error_rate: float, as_json: bool, out: Path | None
) -> None:
    if as_json:
        print_json([answer_json(a, error_rate) for a in answers])
    elif answers:
        print_table("", COLUMNS, [answer_row(a, error_rate) for a in answers])
        for note in (n for a in answers for n in answer_notes(a)):
            click.echo(note)
        point = answers[0].operating_point
        click.echo(
            f"operating point {point}, triage at error rate {error_rate:g}; "
            "research only, not a medical device"
        )
        if answers[0].demonstration:
            click.echo(DEMONSTRATION)
        if out is not None:
            click.echo(f"heat maps: {out}")
        if answers[0].map_reliable is False:
            click.echo("heat maps failed their examination: do not rely on them (ulna info)")


def _combined(unreadable: list[str], total: int) -> ImageError:
    if len(unreadable) == 1:
        return ImageError(unreadable[0])
    shown = "\n  ".join(unreadable[:10])
    return ImageError(f"{len(unreadable)} of {total} studies have no readable image:\n  {shown}")
