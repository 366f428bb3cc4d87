"""`ulna audit`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ulna.cli.options import OUT_FOLDER, READABLE, json_option
from ulna.cli.output import print_json, print_table
from ulna.cli.progress import progress

if TYPE_CHECKING:
    from ulna.metrics.bootstrap import Interval
    from ulna.training.audit import AuditResult


@click.command(epilog="What each step puts right, and how it is measured: docs/audit.md")
@click.argument("data", type=READABLE)
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for audit.json and audit.png.")
@click.option(
    "--encoder", default="cnn", show_default=True, help="'cnn' or a timm model, random weights."
)
@click.option(
    "--epochs", type=click.IntRange(min=2), default=10, show_default=True, help="Of each network."
)
@click.option(
    "--images",
    type=click.IntRange(min=4),
    default=1000,
    show_default=True,
    help="Of each region, the first ones.",
)
@click.option("--size", type=click.IntRange(32, 1024), default=224, show_default=True, help="px.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of splits and weights.",
)
@json_option
def audit(
    data: Path,
    out: Path,
    encoder: str,
    epochs: int,
    images: int,
    size: int,
    seed: int,
    as_json: bool,
) -> None:
    """Run the prototype's protocol on DATA beside the right one, and say what made its number.

    Images split into training and test one by one, the region as the target, the best accuracy
    seen on the test images while training: each is put right in turn, and the accuracy it was
    worth is what is left out of the next bar. All labelled studies of DATA take part, as in the
    prototype, which held out nobody.

    \b
    Examples:
      ulna audit phantoms --out runs/audit
      ulna audit MURA-v1.1 --out runs/audit --encoder resnet50 --epochs 20
    """
    from ulna.experiments import audit as audit_data

    with progress() as report:
        result = audit_data(
            data,
            out,
            encoder=encoder,
            epochs=epochs,
            images=images,
            size=size,
            seed=seed,
            progress=report,
        )
    if as_json:
        print_json(result.figures)
        return
    print_audit(result.steps)
    click.echo(f"written: {out / 'audit.json'}, {out / 'audit.png'}")


def print_audit(result: AuditResult) -> None:
    """A row for each step, and in a sentence what the first number was made of."""
    rows = [
        [
            s.name,
            s.taken or "-",
            f"{s.n} {'images' if s.unit == 'image' else 'studies'}",
            _interval(s.accuracy, ""),
            f"{s.chance:.3f}",
            _interval(s.change, "+") if s.change else "-",
        ]
        for s in result.steps
    ]
    columns = ["protocol", "put right", "judged on", "accuracy", "chance", "change"]
    print_table(f"{result.n_studies} studies of {result.n_patients} patients", columns, rows)
    first, last = result.steps[0], result.steps[-1]
    kappa = "undefined" if math.isnan(result.kappa) else f"{result.kappa:.3f}"
    click.echo(
        f"of an accuracy of {first.accuracy.value:.3f} {last.accuracy.value:.3f} is left; always "
        f"saying the more frequent answer has {last.chance:.3f}; kappa by study {kappa}"
    )


def _interval(result: Interval, sign: str) -> str:
    return f"{result.value:{sign}.3f} ({result.low:{sign}.2f} to {result.high:{sign}.2f})"
