"""`ulna audit`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulna.cli.options import OUT_FOLDER, READABLE, json_option, number_option
from ulna.cli.output import print_json, print_table
from ulna.cli.progress import with_progress

if TYPE_CHECKING:
    from ulna.metrics.bootstrap import Interval
    from ulna.training.audit import AuditResult


@click.command(epilog="What each step corrects, and how it is measured: docs/audit.md")
@click.argument("data", type=READABLE)
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for audit.json and audit.png.")
@click.option(
    "--encoder", default="cnn", show_default=True, help="'cnn' or a timm model, random weights."
)
@number_option("--epochs", click.IntRange(min=2), 10, "Epochs of each network.")
@number_option("--images", click.IntRange(min=4), 1000, "Images of each region, the first ones.")
@number_option("--size", click.IntRange(32, 1024), 224, "Side of the square input, px.")
@number_option("--seed", click.IntRange(min=0), 0, "Seed of splits and weights.")
@json_option
def audit(out: Path, as_json: bool, **options: Any) -> None:
    """Measure on DATA how much each flaw of the prototype's protocol inflates its accuracy.

    The prototype split images one by one into training and test, predicted the region, and
    reported the best accuracy on the test images during training. Each flaw is corrected in turn,
    and the fall of the accuracy is what it was worth. All labelled studies of DATA take part, as
    in the prototype, which held out no patients.

    \b
    Examples:
      ulna audit phantoms --out runs/audit
      ulna audit MURA-v1.1 --out runs/audit --encoder resnet50 --epochs 20
    """
    from ulna.experiments import audit as audit_data

    audited = with_progress(audit_data, out=out, **options)
    if as_json:
        print_json(audited.figures)
        return
    print_audit(audited.steps)
    click.echo(f"written: {out / 'audit.json'}, {out / 'audit.png'}")


def print_audit(audited: AuditResult) -> None:
    """Print a row for each step, then a sentence that compares the first step with the last."""
    rows = [
        [
            s.name,
            s.taken or "-",
            f"{s.n} {'images' if s.unit == 'image' else 'studies'}",
            _interval(s.accuracy, ""),
            f"{s.chance:.3f}",
            _interval(s.change, "+") if s.change else "-",
        ]
        for s in audited.steps
    ]
    columns = ["protocol", "corrected", "judged on", "accuracy", "chance", "change"]
    print_table(f"{audited.n_studies} studies of {audited.n_patients} patients", columns, rows)
    first, last = audited.steps[0], audited.steps[-1]
    kappa = "undefined" if math.isnan(audited.kappa) else f"{audited.kappa:.3f}"
    click.echo(
        f"of an accuracy of {first.accuracy.value:.3f} {last.accuracy.value:.3f} is left; always "
        f"predicting the more frequent class has {last.chance:.3f}; kappa by study {kappa}"
    )


def _interval(interval: Interval, sign: str) -> str:
    return f"{interval.value:{sign}.3f} ({interval.low:{sign}.2f} to {interval.high:{sign}.2f})"
