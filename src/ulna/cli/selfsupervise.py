"""`ulna selfsupervise`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ulna.cli.extras import require
from ulna.cli.options import OUT_FOLDER, READABLE
from ulna.cli.progress import progress
from ulna.cli.recipe_choice import apply_changes, choose_recipe
from ulna.errors import ConfigError

if TYPE_CHECKING:
    from ulna.config.selfsupervision import SelfSupervision
    from ulna.types import Study


@click.command(epilog="Method and every setting: docs/selfsupervision.md")
@click.argument("data", type=READABLE, nargs=-1, required=True)
@click.option(
    "--recipe",
    "recipe_name",
    required=True,
    metavar="NAME|FILE.json",
    help="Whose expert's encoder learns, on whose input.",
)
@click.option("--expert", metavar="NAME", help="Which expert, where the recipe has several.")
@click.option("--out", type=OUT_FOLDER, required=True, help="The run's folder.")
@click.option("--epochs", type=click.IntRange(min=1), help="Times every film is seen; else 100.")
@click.option("--minutes", type=click.FloatRange(min=0), help="Learn no longer; 0: no limit.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a setting.")
@click.option(
    "--initial",
    metavar="KIND[:PATH]",
    help="Initial weights: random, imagenet, shipped, file:PATH or run:PATH; else the recipe's.",
)
@click.option("--all-splits", is_flag=True, help="Use films of 'valid' and 'test' as well.")
@click.option("--resume", is_flag=True, help="Go on with the run in OUT, if there is one.")
def selfsupervise(
    data: tuple[Path, ...],
    recipe_name: str,
    expert: str | None,
    out: Path,
    epochs: int | None,
    minutes: float | None,
    changes: tuple[str, ...],
    initial: str | None,
    all_splits: bool,
    resume: bool,
) -> None:
    """Teach an expert's encoder on all radiographs of DATA without labels, into the folder OUT.

    Two windows of each film, changed at random, are to give the same features where they show
    the same place (VICReg, from the package lightly). DATA is anything that holds radiographs:
    tables, phantom, MURA and DICOM folders; labels, findings and masks in it are not used.
    Studies of the splits valid and test are left alone. `ulna train --initial EXPERT=run:OUT`
    starts from the result. A killed run goes on where it was with --resume.

    \b
    Examples:
      ulna selfsupervise films.csv phantoms --recipe fracatlas --expert cnn --out runs/films
      ulna selfsupervise MURA-v1.1 --recipe hybrid --expert cnn --out runs/mura-films \\
          --minutes 60 --set batch_size=128 --set input_spec.size=448
      ulna train films.csv --recipe fracatlas --initial cnn=run:runs/films --out runs/own
    """
    require("train", "ssl")
    from ulna.cli.train import quiet_fabric
    from ulna.datasets import data_kind
    from ulna.training.folder import SELF_SUPERVISION
    from ulna.training.selfsupervised.run import self_supervised_run

    plain = {"epochs": epochs, "minutes": minutes}
    given = [f"{key}={value}" for key, value in plain.items() if value is not None]
    settings = _settings(recipe_name, expert, [*changes, *given], initial)
    if not resume and (out / SELF_SUPERVISION).is_file():
        raise ConfigError(f"{out} holds a run already: add --resume, or give another folder")
    quiet_fabric()
    with progress() as report:
        self_supervised_run(
            settings,
            _studies(data, all_splits),
            out,
            kind="+".join(sorted({data_kind(path) for path in data})),
            name="+".join(path.resolve().name for path in data),
            progress=report,
        )
    click.echo(f"run {out}: next, ulna train ... --initial {settings.name}=run:{out}")


def _settings(
    recipe_name: str, expert: str | None, changes: Sequence[str], initial: str | None
) -> SelfSupervision:
    from ulna.config.codec import from_json, to_json
    from ulna.config.selfsupervision import SelfSupervision, self_supervision_of

    recipe = choose_recipe(recipe_name, initial=[initial] if initial else [])
    data = to_json(self_supervision_of(recipe, expert))
    apply_changes(data, changes)
    return from_json(SelfSupervision, data, "settings")


def _studies(data: Sequence[Path], all_splits: bool) -> list[Study]:
    from ulna.datasets import index_data
    from ulna.datasets.left_out import LeftOut
    from ulna.datasets.places import without_doubles
    from ulna.training.selfsupervised.run import leave_held_out

    studies = [study for path in data for study in index_data(path)]
    left = LeftOut()
    # Held out first: of two tables with one film, the later may be the one that holds it out.
    studies = without_doubles(studies if all_splits else leave_held_out(studies), left)
    left.warn(f"{len(data)} data sets")
    return studies
