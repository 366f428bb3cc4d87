"""`ulna adapt`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ulna.cli.options import READABLE, json_option
from ulna.cli.output import print_json, print_table
from ulna.cli.progress import progress

if TYPE_CHECKING:
    from ulna.calibration.adapt.pipeline import Adapted


@click.command(epilog="What it brings, measured: docs/results/new_hospital.md")
@click.argument("bundle", type=READABLE)
@click.argument("images", type=READABLE)
@click.option("--out", type=READABLE, required=True, help="Folder for the adapted bundle.")
@click.option("--heads", is_flag=True, help="Move the experts' heads too, not the scale alone.")
@click.option(
    "--freedom",
    type=click.FloatRange(0.01, 100),
    help="Of --heads: logits by which a typical image may move. [default: 1]",
)
@json_option
def adapt(
    bundle: Path, images: Path, out: Path, heads: bool, freedom: float | None, as_json: bool
) -> None:
    """Adapt BUNDLE to the hospital of FILMS, a table of some 20 images that it has labelled.

    Recalibrates: one scale and one offset for all body parts, and thresholds. With --heads the
    experts' linear heads are fitted on their frozen features too, with a penalty that draws them
    to BUNDLE's own. Label at least 4 studies of each class, better 10, and keep others to check
    the result with `ulna evaluate`; what is printed here is of few images.

    \b
    Examples:
      ulna adapt bundle ours.csv --out bundle-ours
      ulna adapt bundle ours.csv --out bundle-ours --heads
      ulna evaluate ours-others.csv --bundle bundle-ours --split all --out scores
    """
    from ulna.experiments import adapt as adapt_bundle

    with progress() as report:
        result, scores = adapt_bundle(
            bundle, images, out, heads=heads, freedom=freedom, progress=report
        )
    if as_json:
        print_json({"hash": result.bundle.hash, "shift": result.shift, "scores": scores})
    else:
        _say(result, scores, out)


def _say(result: Adapted, scores: Mapping[str, dict[str, float]], out: Path) -> None:
    images, shift = result.images, result.shift
    names = ["auroc", "sensitivity", "specificity", "ece"]
    rows = [[when, *(f"{own[n]:.3f}" for n in names)] for when, own in scores.items()]
    point = result.bundle.manifest.operating_point
    title = f"{len(images.abnormal)} studies, {images.abnormal.sum()} abnormal; at {point}"
    print_table(title, ["", *names], rows)
    click.echo(f"scale {shift.scale:.2f}, offset {shift.offset:+.2f} logits of the bundle before")
    if result.changes:
        click.echo("heads: moved; the scores after are by heads that have not seen the study")
    click.echo("scale, offset and thresholds have seen these studies: the scores after flatter")
    click.echo("cascade: none: it was of the answers before")
    click.echo(f"{out}, hash {result.bundle.hash[:12]}")
