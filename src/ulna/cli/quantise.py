"""`ulna quantise`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ulna.cli.options import READABLE, engine_option, json_option, number_option
from ulna.cli.output import print_json
from ulna.cli.progress import with_progress
from ulna.errors import BundleError


@click.command(epilog="Method, gate and measured figures: docs/engines.md")
@click.argument("bundle", type=READABLE)
@click.option("--data", type=READABLE, required=True, help="The data that the run was trained on.")
@click.option("--out", type=READABLE, required=True, help="Folder for the int8 bundle.")
@click.option("--run", type=READABLE, help="The run of BUNDLE. [default: the folder it lies in]")
@number_option(
    "--images", click.IntRange(min=8), 128, "Training images that give the ranges, at most."
)
@number_option("--seed", click.IntRange(min=0), 0, "Seed of the choice of these images.")
@number_option(
    "--left",
    click.FloatRange(0, 1, max_open=True),
    0.0,
    "Least share of each expert's layers to stay in fp32.",
)
@engine_option("onnxruntime:fp32")
@json_option
def quantise(out: Path, as_json: bool, **options: Any) -> None:
    """Quantise BUNDLE's graphs to int8: another bundle, if its answers stay the same.

    Ranges are observed on images that the run was trained on. The most sensitive layers stay in
    fp32 until the answers agree. Then both bundles answer the studies that `ulna evaluate` takes:
    the probability must keep within 0.02 on 99 % of them, AUROC and pointing game within 0.003. A
    bundle that fails this acceptance test is not written (exit code 5).

    \b
    Example:
      ulna quantise runs/first/bundle --data phantoms --out runs/first/bundle-int8
    """
    from ulna.bundle.quantisation import quantisation_lines
    from ulna.experiments import quantise as quantise_bundle

    written, figures = with_progress(quantise_bundle, out=out, **options)
    if as_json:
        print_json({"accepted": figures.accepted, "refusals": figures.refusals, "figures": figures})
    else:
        click.echo("\n".join(quantisation_lines(figures)))
    if written is None:
        raise BundleError(
            f"int8 refused, nothing written: {'; '.join(figures.refusals)}: keep the fp32 bundle, "
            "or try --left 0.75 (more layers in fp32) or more --images"
        )
    if not as_json:
        click.echo(f"accepted: {out}, hash {written.hash[:12]}")
