"""`ulna examine`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulna.cli.options import (
    OUT_FOLDER,
    READABLE,
    bundle_option,
    engine_option,
    json_option,
    number_option,
    tested_options,
)
from ulna.cli.output import print_json, print_table
from ulna.cli.progress import with_progress

if TYPE_CHECKING:
    from ulna.bundle import MapExamination


@click.command(epilog="Every test, its bar and its source: docs/examination.md")
@click.argument("data", type=READABLE)
@bundle_option
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for the results.")
@number_option(
    "--studies",
    click.IntRange(min=2),
    40,
    "Studies examined at most: abnormal ones whose place is known.",
)
@number_option("--seed", click.IntRange(min=0), 0, "Seed of the sample, noise and shuffling.")
@tested_options
@engine_option("onnxruntime:fp32")
@json_option
def examine(out: Path, as_json: bool, **options: Any) -> None:
    """Examine BUNDLE's heat maps on DATA and record the verdict in the bundle.

    Do the maps locate findings better than noise and than an edge detector? Does the probability
    fall when the marked places are removed, and rise when they are put back? Do the maps change
    when the weights are shuffled, and agree between experts trained on other folds? A bundle
    whose maps fail any of these tests reports it with every answer.

    \b
    Examples:
      ulna examine phantoms --bundle runs/first/bundle --out runs/first/examination
      ulna examine table.csv --bundle BUNDLE --out examination --studies 60
    """
    from ulna.experiments import examine as examine_bundle

    examined = with_progress(examine_bundle, out=out, **options)
    if as_json:
        print_json(examined.figures)
        return
    print_examination(examined.verdict, examined.figures)
    click.echo(f"written: {out / 'examination.json'}, {out / 'examination.png'}")


def print_examination(verdict: MapExamination, figures: Mapping[str, Any]) -> None:
    """Print the measures of each kind of map, the tests, and the verdict in a sentence."""
    from ulna.bundle import map_verdict

    names = {
        "pointing": "pointing game",
        "precision": "average precision",
        "deletion": "deletion, lower is better",
        "insertion": "insertion",
    }
    rows = [[title, *(_cell(figures[m][k]) for k in figures[m])] for m, title in names.items()]
    print_table(f"{verdict.n_images} images", ["measure", "map", "noise", "edges"], rows)
    tests = [
        [
            t.name,
            f"{t.value:+.3f} ({t.low:+.3f} to {t.high:+.3f})",
            f"{'above' if t.above else 'below'} {t.bar:g}",
            "passed" if t.passed else "FAILED",
        ]
        for t in verdict.tests
    ]
    print_table("tests", ["test", "value", "bar", ""], tests)
    for name, why in verdict.not_made.items():
        click.echo(f"not made: {name}: {why}")
    click.echo(map_verdict(verdict))


def _cell(interval: Mapping[str, float]) -> str:
    return f"{interval['value']:.3f} ({interval['low']:.2f} to {interval['high']:.2f})"
