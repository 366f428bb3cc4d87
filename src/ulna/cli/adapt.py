"""`ulna adapt`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulna.cli.options import READABLE, json_option
from ulna.cli.output import print_json, print_table
from ulna.cli.progress import with_progress

if TYPE_CHECKING:
    from ulna.calibration.adapt.pipeline import Adapted


@click.command(epilog="How much it improves, measured: docs/results/new_hospital.md")
@click.argument("bundle", type=READABLE)
@click.argument("images", type=READABLE)
@click.option("--out", type=READABLE, required=True, help="Folder for the adapted bundle.")
@click.option("--heads", is_flag=True, help="Fit the experts' heads too, not the scale alone.")
@click.option(
    "--freedom",
    type=click.FloatRange(0.01, 100),
    help="With --heads: logits by which a typical image may move. [default: 1]",
)
@json_option
def adapt(out: Path, as_json: bool, **options: Any) -> None:
    """Adapt BUNDLE to the hospital of IMAGES, a table of some 20 images that it has labelled.

    Recalibrates: one scale and one offset for all body parts, and thresholds. With --heads the
    experts' linear heads are fitted on their frozen features too, with a penalty that draws them
    to BUNDLE's own. Label at least 4 studies of each class, better 10, and keep others to check
    the result with `ulna evaluate`, because the scores printed here rest on few images.

    \b
    Examples:
      ulna adapt bundle ours.csv --out bundle-ours
      ulna adapt bundle ours.csv --out bundle-ours --heads
      ulna evaluate ours-others.csv --bundle bundle-ours --split all --out scores
    """
    from ulna.experiments import adapt as adapt_bundle

    adapted, scores = with_progress(adapt_bundle, out=out, **options)
    if as_json:
        print_json({"hash": adapted.bundle.hash, "shift": adapted.shift, "scores": scores})
    else:
        _print(adapted, scores, out)


def _print(adapted: Adapted, scores: Mapping[str, dict[str, float]], out: Path) -> None:
    images, shift = adapted.images, adapted.shift
    names = ["auroc", "sensitivity", "specificity", "ece"]
    rows = [[when, *(f"{values[n]:.3f}" for n in names)] for when, values in scores.items()]
    point = adapted.bundle.manifest.operating_point
    title = f"{len(images.abnormal)} studies, {images.abnormal.sum()} abnormal; at {point}"
    print_table(title, ["", *names], rows)
    click.echo(f"scale {shift.scale:.2f}, offset {shift.offset:+.2f} of the old bundle's logits")
    if adapted.changes:
        click.echo("heads: fitted; the scores after come from heads fitted without the study")
    click.echo(
        "scale, offset and thresholds were fitted on these studies: the scores after are optimistic"
    )
    click.echo("cascade: removed, because it was fitted on the answers before")
    click.echo(f"{out}, hash {adapted.bundle.hash[:12]}")
