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
    tested_options,
)
from ulna.cli.output import print_json, print_table
from ulna.cli.progress import progress

if TYPE_CHECKING:
    from ulna.bundle import MapExamination
    from ulna.config.engine import EngineSettings
    from ulna.experiments.bundle_checks import Split


@click.command(epilog="Every test, its bar and its source: docs/examination.md")
@click.argument("data", type=READABLE)
@bundle_option
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for the results.")
@click.option(
    "--studies",
    type=click.IntRange(min=2),
    default=40,
    show_default=True,
    help="Examined at most: abnormal ones with a known place.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the sample, noise and shuffling.",
)
@tested_options
@engine_option("onnxruntime:fp32")
@json_option
def examine(
    data: Path,
    bundle: Path,
    out: Path,
    studies: int,
    seed: int,
    split: Split | None,
    run: Path | None,
    engine: EngineSettings,
    as_json: bool,
) -> None:
    """Examine BUNDLE's heat maps on DATA; the verdict goes into the bundle.

    Do the maps find what is there better than noise and than an edge detector do? Does the answer
    fall when the marked places are taken away, and rise when they are put back? Do the maps change
    when the weights are shuffled, and agree between experts that learned from other folds? A
    bundle whose maps fail any of this says so with every answer.

    \b
    Examples:
      ulna examine phantoms --bundle runs/first/bundle --out runs/first/examination
      ulna examine table.csv --bundle BUNDLE --out examination --studies 60
    """
    from ulna.experiments import examine as examine_bundle

    with progress() as report:
        result = examine_bundle(
            data,
            bundle,
            out,
            studies=studies,
            seed=seed,
            split=split,
            run=run,
            engine=engine,
            progress=report,
        )
    if as_json:
        print_json(result.figures)
        return
    print_examination(result.verdict, result.figures)
    click.echo(f"written: {out / 'examination.json'}, {out / 'examination.png'}")


def print_examination(verdict: MapExamination, result: Mapping[str, Any]) -> None:
    """The measures of every map, the tests, and the verdict in a sentence."""
    from ulna.bundle import map_verdict

    names = {
        "pointing": "pointing game",
        "precision": "average precision",
        "deletion": "deletion, lower is better",
        "insertion": "insertion",
    }
    rows = [[title, *(_cell(result[m][k]) for k in result[m])] for m, title in names.items()]
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
