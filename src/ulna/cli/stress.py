"""`ulna stress`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulna.cli.options import (
    OUT_FOLDER,
    READABLE,
    bundle_option,
    by_option,
    engine_option,
    held_out_options,
    json_option,
)
from ulna.cli.output import print_json, print_table
from ulna.cli.progress import progress
from ulna.experiments.incomplete import check_scored

if TYPE_CHECKING:
    from ulna.config.engine import EngineSettings
    from ulna.experiments.bundle_checks import Split


@click.command(epilog="Corruptions, measures and their units: docs/stress.md")
@click.argument("data", type=READABLE)
@bundle_option
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for the results.")
@click.option(
    "--studies",
    type=click.IntRange(min=1),
    default=90,
    show_default=True,
    help="Corrupted at most; drawn by body part and label.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@by_option("Further groups of a table.")
@held_out_options
@engine_option("onnxruntime:fp32")
@json_option
def stress(
    data: Path,
    bundle: Path,
    out: Path,
    studies: int,
    seed: int,
    by: tuple[str, ...],
    split: Split | None,
    run: Path | None,
    operating_point: str | None,
    engine: EngineSettings,
    as_json: bool,
) -> None:
    """Find where BUNDLE breaks on DATA: stress.json, stress.csv, stress.png, stress.html.

    A sample of the studies is answered untouched and under nine corruptions (noise, blur,
    gamma, gain, JPEG, rotation, crop, inversion, a marker) at up to five severities; every
    study of several views once without each of them; and all are scored in subgroups
    (hardware, cast, marker, view, pixel size, single view, columns of a table). The studies
    are those of `ulna evaluate`: never, in silence, what the bundle's run has learned from.

    \b
    Examples:
      ulna stress phantoms --bundle runs/first/bundle --out runs/first/stress
      ulna stress table.csv --bundle BUNDLE --out stress --studies 60 --seed 3 \\
          --by source_width:1000
    """
    from ulna.experiments import stress as stress_bundle

    with progress() as report:
        result = stress_bundle(
            data,
            bundle,
            out,
            studies=studies,
            seed=seed,
            by=by,
            split=split,
            run=run,
            operating_point=operating_point,
            engine=engine,
            progress=report,
        )
    if as_json:
        print_json(result)
    else:
        print_stress(result)
        click.echo(f"report: {out / 'stress.html'}")
    check_scored(result)


def print_stress(result: Mapping[str, Any]) -> None:
    """Where it breaks: a row a corruption, a row a worse subgroup; then the views left out."""
    rows = result["where_it_breaks"]
    title = "where it breaks: {n_studies} of {of_studies} studies, seed {seed}".format(
        **result["sample"]
    )
    columns = ["corruption", "breaks at", "decisions flip from severity"]
    columns += ["AUROC drops from severity", "AUROC change there", "decisions flipped there"]
    print_table(title, columns, [_broken(r) for r in rows if r["kind"] == "corruption"])
    worse = [_worse(r) for r in rows if r["kind"] == "subgroup"]
    if worse:
        columns = ["below the rest", "abnormal/all", "measure", "group", "rest"]
        print_table("", columns, worse)
    else:
        click.echo("no subgroup lies below its rest")
    views = result["leave_one_view_out"]
    if views["n_left_out"]:
        click.echo(
            f"a view left out flips {_interval(views['decisions_flipped'], ' ')} of the decisions "
            f"({views['n_several_views']} of {views['n_studies']} studies have several views)"
        )


def _broken(row: Mapping[str, Any]) -> list[str]:
    reported = row["amount_text"]
    return [
        row["name"].replace("_", " "),
        f"not up to {reported}" if row["severity"] is None else reported,
        *(_severity(row[key], row["of_severities"]) for key in ("decisions_from", "auroc_from")),
        _interval(row["auroc_change"], "\n", "+"),
        _interval(row["decisions_flipped"], "\n"),
    ]


def _severity(severity: int | None, most: int) -> str:
    return "never" if severity is None else f"{severity} of {most}"


def _worse(row: Mapping[str, Any]) -> list[str]:
    images = " (images)" if row["level"] == "image" else ""
    return [
        f"{row['name']}: {row['group']}{images}",
        f"{row['n_abnormal']}/{row['n']}",
        row["measure"],
        _interval(row["value"], "\n"),
        _interval(row["rest"], "\n"),
    ]


def _interval(result: Mapping[str, float | None], between: str, sign: str = "") -> str:
    if result["value"] is None:
        return "-"
    low, high = (f"{result[end]:{sign}.2f}" for end in ("low", "high"))
    return f"{result['value']:{sign}.3f}{between}{low} to {high}"
