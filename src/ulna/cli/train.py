"""`ulna train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ulna.cli.options import OUT_FOLDER, READABLE, devices_option, recipe_options
from ulna.cli.progress import with_progress


@click.command(epilog="Recipes and every setting: docs/recipes.md")
@click.argument("data", type=READABLE)
@click.option("--out", type=OUT_FOLDER, required=True, help="The run's folder.")
@recipe_options
@devices_option
@click.option("--resume", is_flag=True, help="Resume the run in OUT, if there is one.")
def train(out: Path, **options: Any) -> None:
    """Train the experts of a recipe on DATA; weights, split and logs go to the folder OUT.

    DATA is a MURA folder, a phantom folder, a table (.csv) or a table of several sources
    (docs/sources.md). Studies that it holds out itself (valid, test) are not used; the others are
    split by patient as the recipe's fractions say: for training, for early stopping, for `ulna
    calibrate`, and for `ulna evaluate` where DATA holds out none. --resume continues a killed run
    (docs/training.md).

    \b
    Examples:
      ulna train phantoms --recipe demo --out runs/first
      ulna train MURA-v1.1 --recipe hybrid --out runs/mura --devices 2
      ulna train MURA-v1.1 --recipe hybrid --out runs/lite --initial cnn=shipped \\
          --encoders tf_efficientnet_lite0,tf_efficientnet_lite1
      ulna train table.csv --recipe demo --out runs/own \\
          --set experts.cnn.epochs=5 --set minutes=0 --initial cnn=run:runs/first
    """
    from ulna.experiments import train as train_recipe

    with_progress(train_recipe, out=out, **options)
    from ulna.training.ranks.launch import torchrun_rank

    if torchrun_rank() == 0:
        click.echo(f"run {out}: next, ulna export {out} --out {out / 'bundle'}")
