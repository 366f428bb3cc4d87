"""`ulna distil`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulna.cli.crossval import print_crossval
from ulna.cli.options import (
    OUT_FOLDER,
    READABLE,
    devices_option,
    engine_option,
    json_option,
    outliers_option,
    recipe_options,
)
from ulna.cli.output import print_json
from ulna.cli.progress import with_progress
from ulna.errors import ConfigError

if TYPE_CHECKING:
    from ulna.bundle import ModelBundle, StudentParity
    from ulna.experiments.student_folds import FoldsTaught


@click.command(epilog="How a student is trained and tested: docs/student.md")
@click.argument("bundle", type=READABLE, required=False)
@click.argument("data", type=READABLE, required=False)
@recipe_options
@click.option("--out", type=OUT_FOLDER, required=True, help="The student's run, with its bundle.")
@click.option(
    "--also",
    multiple=True,
    type=READABLE,
    metavar="PATH",
    help="Images to train on with BUNDLE's answers as the only target; repeatable.",
)
@click.option("--gate", type=READABLE, help="Labelled images for the acceptance test.")
@click.option(
    "--folds", type=READABLE, metavar="CROSSVAL", help="Train a student on each fold instead."
)
@click.option(
    "--only",
    multiple=True,
    type=int,
    metavar="FOLD",
    help="With --folds: a fold, from 0; repeatable.",
)
@click.option(
    "--proof",
    type=READABLE,
    metavar="FOLDER",
    help="Result of --folds, for acceptance test and calibration.",
)
@devices_option
@click.option("--accept", is_flag=True, help="Keep a student that fails the acceptance test.")
@outliers_option
@engine_option("auto")
@json_option
def distil(
    bundle: Path | None,
    data: Path | None,
    gate: Path | None,
    folds: Path | None,
    only: tuple[int, ...],
    proof: Path | None,
    accept: bool,
    outliers: tuple[Path, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Distil BUNDLE's answers and heat maps, on the images of DATA, into one small network.

    BUNDLE, the teacher, may have any number of experts: its fused answers are the target, computed
    once and kept in OUT, together with the labels of DATA. --also takes images without labels, of
    other limbs, or phantoms. OUT/bundle stores its weights in float16: less than 8 MB. When a run
    was stopped, the same command continues it.

    The acceptance test compares student and teacher on the same held-out images: those that DATA
    holds out (valid, test), those of --gate, or the run's test part. A student whose AUROC lies
    more than 0.010 below its teacher's is refused (exit code 5), unless --accept is given.

    --folds takes the folder of `ulna crossval` in place of BUNDLE and DATA: the bundle of each
    fold is the teacher on that fold's training images, and the student predicts the fold. OUT is
    then a cross-validation like any other, compared with its teachers. --proof OUT trains one
    student on all images, calibrated and tested by these folds.

    \b
    Examples:
      ulna distil runs/hybrid/bundle table.csv --recipe student --out runs/student
      ulna distil --folds runs/cv --recipe student --initial imagenet --out runs/student-cv
      ulna distil runs/cv/bundle table.csv --recipe student --initial imagenet \\
          --out runs/student --proof runs/student-cv --also phantoms
    """
    from ulna.experiments import distil as distil_bundle
    from ulna.experiments import distil_folds

    if folds is not None:
        _only_folds(accept, bundle, data, gate, proof, *outliers)
        _print_folds(with_progress(distil_folds, folds=folds, only=only, **options), as_json)
        return
    if bundle is None or data is None or only:
        raise ConfigError("expected BUNDLE and DATA, or --folds (and --only for some of them)")
    written, parity = with_progress(
        distil_bundle,
        bundle=bundle,
        data=data,
        gate=gate,
        proof=proof,
        accept=accept,
        outliers=outliers,
        **options,
    )
    _print(written, parity, as_json)


def _only_folds(*others: Path | bool | None) -> None:
    if any(others):
        raise ConfigError(
            "--folds with BUNDLE, DATA, --gate, --proof, --accept or --outliers: expected --folds "
            "without them: the folds have their own bundles, data and held-out studies, and no "
            "student is refused"
        )


def _print(written: ModelBundle, parity: StudentParity, as_json: bool) -> None:
    from ulna.bundle.distilled import parity_lines

    if as_json:
        print_json({"bundle": written.path, "hash": written.hash, "figures": parity})
        return
    click.echo("\n".join(parity_lines(parity)))
    message = "accepted"
    if parity.forced:
        message = f"REFUSED by the acceptance test, but kept: {'; '.join(parity.refusals)}"
    click.echo(f"{message}: {written.path}, hash {written.hash[:12]}")


def _print_folds(taught: FoldsTaught, as_json: bool) -> None:
    from ulna.bundle.distilled import parity_lines

    if taught.crossval is None:
        click.echo(f"fold {taught.folds[0]} is trained; two or more folds are needed for scores")
        return
    print_crossval(taught.crossval, as_json)
    if as_json or taught.parity is None:
        return
    click.echo("\n".join(parity_lines(taught.parity)))
    refusals = "; ".join(taught.parity.refusals)
    click.echo(f"would be refused: {refusals}" if refusals else "would pass the acceptance test")
