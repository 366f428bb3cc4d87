"""`ulna distil`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ulna.cli.extras import require
from ulna.cli.held_out import run_of_bundle, run_split, same_data
from ulna.cli.options import (
    OUT_FOLDER,
    READABLE,
    devices_option,
    elsewhere_option,
    engine_option,
    json_option,
    recipe_options,
)
from ulna.cli.output import print_json
from ulna.cli.progress import progress
from ulna.cli.recipe_choice import choose_recipe
from ulna.errors import ConfigError

if TYPE_CHECKING:
    from ulna.config.engine import EngineSettings
    from ulna.config.recipe import Recipe
    from ulna.distil import Lesson


@click.command(epilog="What is taught, and how it is examined: docs/student.md")
@click.argument("bundle", type=READABLE, required=False)
@click.argument("data", type=READABLE, required=False)
@recipe_options
@click.option("--out", type=OUT_FOLDER, required=True, help="The student's run; its bundle in it.")
@click.option(
    "--also",
    multiple=True,
    type=READABLE,
    metavar="PATH",
    help="Films that teach by BUNDLE's answers alone; may be repeated.",
)
@click.option("--gate", type=READABLE, help="Labelled films to examine the student on.")
@click.option(
    "--folds", type=READABLE, metavar="CROSSVAL", help="Teach a student on each fold instead."
)
@click.option(
    "--only", multiple=True, type=int, metavar="FOLD", help="With --folds: this one, from 0."
)
@click.option(
    "--proof", type=READABLE, metavar="FOLDER", help="Students of --folds: gate, calibration."
)
@devices_option
@click.option("--accept", is_flag=True, help="Let a student through that the gate refuses.")
@elsewhere_option
@engine_option("auto")
@json_option
def distil(
    bundle: Path | None,
    data: Path | None,
    recipe_name: str,
    encoders: str | None,
    changes: tuple[str, ...],
    initial: tuple[str, ...],
    out: Path,
    also: tuple[Path, ...],
    gate: Path | None,
    folds: Path | None,
    only: tuple[int, ...],
    proof: Path | None,
    devices: int,
    accept: bool,
    elsewhere: tuple[Path, ...],
    engine: EngineSettings,
    as_json: bool,
) -> None:
    """Teach BUNDLE's answers and maps on the films of DATA to one small network.

    BUNDLE may be of any number of experts: its fused answers teach, asked once and kept in OUT.
    The labels of DATA teach beside them. --also takes films without labels, of other limbs, or
    phantoms. OUT/bundle stores its weights in float16: less than 8 MB. Started again, the same
    command goes on where it was.

    In the end student and teacher answer the same held-out films: those that DATA holds out
    (valid, test), those of --gate, or the run's test part. A student whose AUROC lies more than
    0.010 below its teacher's is refused (exit code 5), unless --accept.

    --folds takes the folder of `ulna crossval` in place of BUNDLE and DATA: each fold's bundle
    teaches a student on that fold's training films, and the student answers the fold. OUT is then
    a cross-validation like any other, compared with its teachers. --proof OUT teaches one on
    all films, calibrated and examined by these folds.

    \b
    Examples:
      ulna distil runs/hybrid/bundle table.csv --recipe student --out runs/student
      ulna distil --folds runs/cv --recipe student --initial imagenet --out runs/student-cv
      ulna distil runs/cv/bundle table.csv --recipe student --initial imagenet \\
          --out runs/student --proof runs/student-cv --also phantoms
    """
    require("train")
    from ulna.cli.train import quiet_fabric

    recipe = choose_recipe(recipe_name, changes, initial, encoders)
    quiet_fabric()
    if folds is not None:
        from ulna.cli.distil_folds import distil_folds

        _only_folds(accept, bundle, data, gate, proof, *elsewhere)
        distil_folds(folds, recipe, out, (also, only, engine, devices), as_json)
        return
    if bundle is None or data is None or only:
        raise ConfigError("expected BUNDLE and DATA, or --folds (with --only if some will do)")
    lesson = replace(_lesson(bundle, data, also, gate, elsewhere), engine=engine, devices=devices)
    _distil(bundle, recipe, lesson, (out, proof, accept), as_json)


def _only_folds(*others: Path | bool | None) -> None:
    if any(others):
        raise ConfigError(
            "--folds with BUNDLE, DATA, --gate, --proof, --accept or --elsewhere: its folds have "
            "bundles, data and held-out studies of their own, and none is refused"
        )


def _distil(
    bundle: Path,
    recipe: Recipe,
    lesson: Lesson,
    asked: tuple[Path, Path | None, bool],
    as_json: bool,
) -> None:
    """asked: the run's folder, the students on folds, whether any student is accepted."""
    from ulna.bundle.distilled import parity_lines
    from ulna.cli.distil_folds import read_proof
    from ulna.distil import distil as distil_bundle

    out, folds, accept = asked
    proof = None if folds is None else read_proof(folds, recipe)
    with progress() as report:
        written, parity = distil_bundle(
            bundle, recipe, lesson, out, proof=proof, accept=accept, progress=report
        )
    if as_json:
        print_json({"bundle": written.path, "hash": written.hash, "figures": parity})
        return
    click.echo("\n".join(parity_lines(parity)))
    said = "accepted"
    if parity.forced:
        said = f"REFUSED, and let through: {'; '.join(parity.refusals)}"
    click.echo(f"{said}: {written.path}, hash {written.hash[:12]}")


def _lesson(
    bundle: Path, data: Path, also: Sequence[Path], gate: Path | None, elsewhere: Sequence[Path]
) -> Lesson:
    from ulna.datasets import data_kind, index_data
    from ulna.datasets.bare import without_labels
    from ulna.datasets.labelled_data import recorded_name
    from ulna.distil import Lesson
    from ulna.training import DataSource

    studies = index_data(data)
    examined = index_data(gate) if gate is not None else []
    run, split = run_of_bundle(bundle), None
    if run is not None and same_data(studies, run) and run_split(run).get("calibration"):
        split = run_split(run)
        click.echo(f"split as in the teacher's run {run}", err=True)
    return Lesson(
        studies=studies,
        source=DataSource(data_kind(data), recorded_name(data)),
        split=split,
        beside=without_labels([index_data(path) for path in also], [*studies, *examined]),
        gate=examined,
        elsewhere=[index_data(table) for table in elsewhere],
    )
