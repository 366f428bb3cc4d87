"""`ulna distil`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulna.cli.crossval import tell
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
from ulna.cli.progress import progress
from ulna.errors import ConfigError

if TYPE_CHECKING:
    from ulna.bundle import ModelBundle, StudentParity
    from ulna.experiments.student_folds import FoldsTaught


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
    help="Images that teach by BUNDLE's answers alone; may be repeated.",
)
@click.option("--gate", type=READABLE, help="Labelled images to examine the student on.")
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
    **both: Any,
) -> None:
    """Teach BUNDLE's answers and maps on the images of DATA to one small network.

    BUNDLE may be of any number of experts: its fused answers teach, asked once and kept in OUT.
    The labels of DATA teach beside them. --also takes images without labels, of other limbs, or
    phantoms. OUT/bundle stores its weights in float16: less than 8 MB. Started again, the same
    command goes on where it was.

    In the end student and teacher answer the same held-out images: those that DATA holds out
    (valid, test), those of --gate, or the run's test part. A student whose AUROC lies more than
    0.010 below its teacher's is refused (exit code 5), unless --accept.

    --folds takes the folder of `ulna crossval` in place of BUNDLE and DATA: each fold's bundle
    teaches a student on that fold's training images, and the student answers the fold. OUT is then
    a cross-validation like any other, compared with its teachers. --proof OUT teaches one on
    all images, calibrated and examined by these folds.

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
        with progress() as report:
            taught = distil_folds(folds, only=only, **both, progress=report)
        _tell_folds(taught, as_json)
        return
    if bundle is None or data is None or only:
        raise ConfigError("expected BUNDLE and DATA, or --folds (with --only if some will do)")
    with progress() as report:
        written, parity = distil_bundle(
            bundle,
            data,
            gate=gate,
            proof=proof,
            accept=accept,
            outliers=outliers,
            **both,
            progress=report,
        )
    _tell(written, parity, as_json)


def _only_folds(*others: Path | bool | None) -> None:
    if any(others):
        raise ConfigError(
            "--folds with BUNDLE, DATA, --gate, --proof, --accept or --outliers: its folds have "
            "bundles, data and held-out studies of their own, and none is refused"
        )


def _tell(written: ModelBundle, parity: StudentParity, as_json: bool) -> None:
    from ulna.bundle.distilled import parity_lines

    if as_json:
        print_json({"bundle": written.path, "hash": written.hash, "figures": parity})
        return
    click.echo("\n".join(parity_lines(parity)))
    message = "accepted"
    if parity.forced:
        message = f"REFUSED, and let through: {'; '.join(parity.refusals)}"
    click.echo(f"{message}: {written.path}, hash {written.hash[:12]}")


def _tell_folds(taught: FoldsTaught, as_json: bool) -> None:
    from ulna.bundle.distilled import parity_lines

    if taught.crossval is None:
        click.echo(f"fold {taught.folds[0]} is taught; with two or more they are scored")
        return
    tell(taught.crossval, as_json)
    if as_json or taught.parity is None:
        return
    click.echo("\n".join(parity_lines(taught.parity)))
    message = "; ".join(taught.parity.refusals)
    click.echo(
        f"would be refused: {message}" if message else "the gate would accept such a student"
    )
