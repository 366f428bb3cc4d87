"""`ulna stress`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ulna.cli.options import (
    OUT_FOLDER,
    READABLE,
    bundle_option,
    by_option,
    engine_option,
    json_option,
    number_option,
    operating_point_option,
    tested_options,
)
from ulna.cli.output import interval_text, print_json, print_table
from ulna.cli.progress import with_progress
from ulna.experiments.incomplete import check_scored


@click.command(epilog="Corruptions, measures and their units: docs/stress.md")
@click.argument("data", type=READABLE)
@bundle_option
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for the results.")
@number_option(
    "--studies",
    click.IntRange(min=1),
    90,
    "Studies to corrupt at most; drawn by body part and label.",
)
@number_option("--seed", click.IntRange(min=0), 0, "Seed of the sample and the corruptions.")
@by_option("Further groups, by a column of the table; repeatable.")
@tested_options
@operating_point_option
@engine_option("onnxruntime:fp32")
@json_option
def stress(out: Path, as_json: bool, **options: Any) -> None:
    """Measure BUNDLE's robustness on DATA: stress.json, stress.csv, stress.png, stress.html.

    A sample of the studies is predicted as it is and under nine corruptions (noise, blur, gamma,
    gain, JPEG, rotation, crop, inversion, a marker) at up to five severities; every study of
    several views is predicted with each view left out once; and all studies are scored in
    subgroups (hardware, cast, marker, view, pixel size, single view, columns of a table). The
    studies are those of `ulna evaluate`; a warning reports any that the bundle's run was trained
    on.

    \b
    Examples:
      ulna stress phantoms --bundle runs/first/bundle --out runs/first/stress
      ulna stress table.csv --bundle BUNDLE --out stress --studies 60 --seed 3 \\
          --by source_width:1000
    """
    from ulna.experiments import stress as stress_bundle

    scores = with_progress(stress_bundle, out=out, **options)
    if as_json:
        print_json(scores)
    else:
        print_stress(scores)
        click.echo(f"report: {out / 'stress.html'}")
    check_scored(scores)


def print_stress(scores: Mapping[str, Any]) -> None:
    """Print a row for each corruption and each worse subgroup, then the effect of missing views."""
    rows = scores["where_it_breaks"]
    title = "where it breaks: {n_studies} of {of_studies} studies, seed {seed}".format(
        **scores["sample"]
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
    views = scores["leave_one_view_out"]
    if views["n_left_out"]:
        click.echo(
            f"a view left out flips {interval_text(views['decisions_flipped'])} of the decisions "
            f"({views['n_several_views']} of {views['n_studies']} studies have several views)"
        )


def _broken(row: Mapping[str, Any]) -> list[str]:
    amount = row["amount_text"]
    return [
        row["name"].replace("_", " "),
        f"not up to {amount}" if row["severity"] is None else amount,
        *(_severity(row[key], row["of_severities"]) for key in ("decisions_from", "auroc_from")),
        interval_text(row["auroc_change"], "\n", "+"),
        interval_text(row["decisions_flipped"], "\n"),
    ]


def _severity(severity: int | None, most: int) -> str:
    return "never" if severity is None else f"{severity} of {most}"


def _worse(row: Mapping[str, Any]) -> list[str]:
    images = " (images)" if row["level"] == "image" else ""
    return [
        f"{row['name']}: {row['group']}{images}",
        f"{row['n_abnormal']}/{row['n']}",
        row["measure"],
        interval_text(row["value"], "\n"),
        interval_text(row["rest"], "\n"),
    ]
