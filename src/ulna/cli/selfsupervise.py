"""`ulna selfsupervise`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ulna.cli.options import OUT_FOLDER, READABLE
from ulna.cli.progress import progress

if TYPE_CHECKING:
    pass


@click.command(epilog="Method and every setting: docs/selfsupervision.md")
@click.argument("data", type=READABLE, nargs=-1, required=True)
@click.option(
    "--recipe",
    required=True,
    metavar="NAME|FILE.json",
    help="Whose expert's encoder learns, on whose input.",
)
@click.option("--expert", metavar="NAME", help="Which expert, where the recipe has several.")
@click.option("--out", type=OUT_FOLDER, required=True, help="The run's folder.")
@click.option("--epochs", type=click.IntRange(min=1), help="Times every image is seen; else 100.")
@click.option("--minutes", type=click.FloatRange(min=0), help="Learn no longer; 0: no limit.")
@click.option("--set", multiple=True, metavar="KEY=VALUE", help="Change a setting.")
@click.option(
    "--initial",
    metavar="KIND[:PATH]",
    help="Initial weights: random, imagenet, shipped, file:PATH or run:PATH; else the recipe's.",
)
@click.option("--all-splits", is_flag=True, help="Use images of 'valid' and 'test' as well.")
@click.option("--resume", is_flag=True, help="Go on with the run in OUT, if there is one.")
def selfsupervise(
    data: tuple[Path, ...],
    recipe: str,
    expert: str | None,
    out: Path,
    epochs: int | None,
    minutes: float | None,
    set: tuple[str, ...],
    initial: str | None,
    all_splits: bool,
    resume: bool,
) -> None:
    """Teach an expert's encoder on all radiographs of DATA without labels, into the folder OUT.

    Two windows of each image, changed at random, are to give the same features where they show
    the same place (VICReg, from the package lightly). DATA is anything that holds radiographs:
    tables, phantom, MURA and DICOM folders; labels, findings and masks in it are not used.
    Studies of the splits valid and test are left alone. `ulna train --initial EXPERT=run:OUT`
    starts from the result. A killed run goes on where it was with --resume.

    \b
    Examples:
      ulna selfsupervise images.csv phantoms --recipe fracatlas --expert cnn --out runs/images
      ulna selfsupervise MURA-v1.1 --recipe hybrid --expert cnn --out runs/mura-images \\
          --minutes 60 --set batch_size=128 --set input_spec.size=448
      ulna train images.csv --recipe fracatlas --initial cnn=run:runs/images --out runs/own
    """
    from ulna.experiments import self_supervise

    with progress() as report:
        settings = self_supervise(
            data,
            recipe,
            out,
            expert=expert,
            epochs=epochs,
            minutes=minutes,
            set=set,
            initial=initial,
            all_splits=all_splits,
            resume=resume,
            progress=report,
        )
    click.echo(f"run {out}: next, ulna train ... --initial {settings.name}=run:{out}")
