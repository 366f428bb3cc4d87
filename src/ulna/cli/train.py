"""`ulna train`."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import click

from ulna.cli.extras import require
from ulna.cli.options import OUT_FOLDER, READABLE, devices_option, recipe_options
from ulna.cli.progress import progress
from ulna.cli.recipe_choice import choose_recipe
from ulna.errors import ConfigError, UlnaWarning


@click.command(epilog="Recipes and every setting: docs/recipes.md")
@click.argument("data", type=READABLE)
@click.option("--out", type=OUT_FOLDER, required=True, help="The run's folder.")
@recipe_options
@devices_option
@click.option("--resume", is_flag=True, help="Go on with the run in OUT, if there is one.")
def train(
    data: Path,
    recipe_name: str,
    out: Path,
    encoders: str | None,
    changes: tuple[str, ...],
    initial: tuple[str, ...],
    devices: int,
    resume: bool,
) -> None:
    """Train the experts of a recipe on DATA; weights, split and logs go to the folder OUT.

    DATA is a MURA folder, a phantom folder, a table (.csv) or a table of several sources
    (docs/sources.md). Studies that it holds out itself (valid, test) are left alone; of the rest,
    parts are set aside by patient as the recipe's fractions say: to stop early, for `ulna
    calibrate`, and for `ulna evaluate` where DATA holds out none. A killed run goes on where it
    was with --resume (docs/training.md).

    \b
    Examples:
      ulna train phantoms --recipe demo --out runs/first
      ulna train MURA-v1.1 --recipe hybrid --out runs/mura --devices 2
      ulna train MURA-v1.1 --recipe hybrid --out runs/lite --initial cnn=shipped \\
          --encoders tf_efficientnet_lite0,tf_efficientnet_lite1
      ulna train table.csv --recipe demo --out runs/own \\
          --set experts.cnn.epochs=5 --set minutes=0 --initial cnn=run:runs/first
    """
    require("train")
    from ulna.datasets import data_kind, index_data
    from ulna.datasets.labelled_data import recorded_name
    from ulna.training import DataSource, train_run
    from ulna.training.ranks.launch import torchrun_rank

    recipe = choose_recipe(recipe_name, changes, initial, encoders)
    first = torchrun_rank() == 0
    if not first:  # torchrun's first process says the same
        warnings.simplefilter("ignore", UlnaWarning)
    if first and not resume and (out / "recipe.json").is_file():
        raise ConfigError(f"{out} holds a run already: add --resume, or give another folder")
    quiet_fabric()
    with progress() as report:
        train_run(
            recipe,
            index_data(data),
            out,
            DataSource(data_kind(data), recorded_name(data)),
            devices=devices,
            progress=report if first else None,
        )
    if first:
        click.echo(f"run {out}: next, ulna export {out} --out {out / 'bundle'}")


def quiet_fabric() -> None:
    """Keep Lightning's remarks on hardware out of the terminal; errors still show."""
    import ulna.training.run  # noqa: F401  (imports Lightning, which sets its loggers up)

    # Fabric's remarks go through the logger of the Trainer's package.
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
