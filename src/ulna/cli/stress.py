"""`ulna stress`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulna.cli.extras import require
from ulna.cli.held_out import run_of_bundle, test_studies
from ulna.cli.incomplete import check_scored
from ulna.cli.options import (
    OUT_FOLDER,
    READABLE,
    bundle_option,
    by_option,
    engine_option,
    held_out_options,
    json_option,
)
from ulna.cli.output import check_outputs, print_json, print_table
from ulna.cli.progress import progress
from ulna.cli.receipts import stress_receipt

if TYPE_CHECKING:
    from ulna.config.engine import EngineSettings


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
    split: str | None,
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
    require("report")
    from ulna.datasets import index_data
    from ulna.evaluation.groups import column_groups
    from ulna.report.writers import stress_writer
    from ulna.robustness.stress import stress as stress_bundle
    from ulna.robustness.stress.pipeline import StressPlan
    from ulna.robustness.stress.traits import film_traits

    check_outputs(out, "stress.json", "stress.csv", "stress.png", "stress.html", "receipt.json")
    chosen, words = test_studies(index_data(data), split or "", run or run_of_bundle(bundle))
    click.echo(f"stressing on {words}", err=True)
    traits, columns = film_traits(data, chosen), column_groups(data, chosen, by)
    plan = StressPlan(studies, seed, traits, columns, operating_point, engine=engine)
    with progress() as report:
        found = stress_bundle(bundle, chosen, out, plan, stress_writer(), report)
    stress_receipt(out, data, words, chosen, found)
    if as_json:
        print_json(found)
    else:
        print_stress(found)
        click.echo(f"report: {out / 'stress.html'}")
    check_scored(found)


def print_stress(found: Mapping[str, Any]) -> None:
    """Where it breaks: a row a corruption, a row a worse subgroup; then the views left out."""
    rows = found["where_it_breaks"]
    title = "where it breaks: {n_studies} of {of_studies} studies, seed {seed}".format(
        **found["sample"]
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
    views = found["leave_one_view_out"]
    if views["n_left_out"]:
        click.echo(
            f"a view left out flips {_interval(views['decisions_flipped'], ' ')} of the decisions "
            f"({views['n_several_views']} of {views['n_studies']} studies have several views)"
        )


def _broken(row: Mapping[str, Any]) -> list[str]:
    told = row["told"]
    return [
        row["name"].replace("_", " "),
        f"not up to {told}" if row["severity"] is None else told,
        *(_severity(row[key], row["of_severities"]) for key in ("decisions_from", "auroc_from")),
        _interval(row["auroc_change"], "\n", "+"),
        _interval(row["decisions_flipped"], "\n"),
    ]


def _severity(severity: int | None, most: int) -> str:
    return "never" if severity is None else f"{severity} of {most}"


def _worse(row: Mapping[str, Any]) -> list[str]:
    films = " (films)" if row["level"] == "film" else ""
    return [
        f"{row['name']}: {row['group']}{films}",
        f"{row['n_abnormal']}/{row['n']}",
        row["measure"],
        _interval(row["value"], "\n"),
        _interval(row["rest"], "\n"),
    ]


def _interval(found: Mapping[str, float | None], between: str, sign: str = "") -> str:
    if found["value"] is None:
        return "-"
    return (
        f"{found['value']:{sign}.3f}{between}{found['low']:{sign}.2f} to {found['high']:{sign}.2f}"
    )
