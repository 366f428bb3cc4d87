"""`ulna selfsupervise`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ulna.cli.options import OUT_FOLDER, READABLE
from ulna.cli.progress import with_progress


@click.command(epilog="Method and every setting: docs/selfsupervision.md")
@click.argument("data", type=READABLE, nargs=-1, required=True)
@click.option(
    "--recipe",
    required=True,
    metavar="NAME|FILE.json",
    help="The recipe whose encoder is trained, on the input it defines.",
)
@click.option("--expert", metavar="NAME", help="Which expert, where the recipe has several.")
@click.option("--out", type=OUT_FOLDER, required=True, help="The run's folder.")
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over all images; else 100.")
@click.option("--minutes", type=click.FloatRange(min=0), help="Train no longer; 0: no limit.")
@click.option("--set", multiple=True, metavar="KEY=VALUE", help="Change a setting.")
@click.option(
    "--initial",
    metavar="KIND[:PATH]",
    help="Initial weights: random, imagenet, shipped, file:PATH or run:PATH; else the recipe's.",
)
@click.option("--all-splits", is_flag=True, help="Use images of 'valid' and 'test' as well.")
@click.option("--resume", is_flag=True, help="Resume the run in OUT, if there is one.")
def selfsupervise(out: Path, **options: Any) -> None:
    """Train an expert's encoder on all radiographs of DATA without labels, into the folder OUT.

    Two randomly changed crops of each image are trained to give the same features where they
    show the same place (VICReg, from the package lightly). DATA is anything that holds
    radiographs: tables, phantom, MURA and DICOM folders; labels, findings and masks in it are not
    used. Studies of the splits valid and test are left out. `ulna train --initial EXPERT=run:OUT`
    starts from the result. --resume continues a killed run.

    \b
    Examples:
      ulna selfsupervise images.csv phantoms --recipe fracatlas --expert cnn --out runs/images
      ulna selfsupervise MURA-v1.1 --recipe hybrid --expert cnn --out runs/mura-images \\
          --minutes 60 --set batch_size=128 --set input_spec.size=448
      ulna train images.csv --recipe fracatlas --initial cnn=run:runs/images --out runs/own
    """
    from ulna.experiments import self_supervise

    settings = with_progress(self_supervise, out=out, **options)
    click.echo(f"run {out}: next, ulna train ... --initial {settings.name}=run:{out}")
