"""`ulna quantise`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ulna.cli.options import READABLE, engine_option, json_option
from ulna.cli.output import print_json
from ulna.cli.progress import progress
from ulna.errors import BundleError

if TYPE_CHECKING:
    from ulna.config.engine import EngineSettings


@click.command(epilog="Method, gate and measured figures: docs/engines.md")
@click.argument("bundle", type=READABLE)
@click.option("--data", type=READABLE, required=True, help="The data that the run was trained on.")
@click.option("--out", type=READABLE, required=True, help="Folder for the int8 bundle.")
@click.option("--run", type=READABLE, help="The run of BUNDLE. [default: the folder it lies in]")
@click.option(
    "--images",
    type=click.IntRange(min=8),
    default=128,
    show_default=True,
    help="Training images that the ranges come from, at most.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of these.")
@click.option(
    "--left",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Least share of each expert's layers to stay in fp32.",
)
@engine_option("onnxruntime:fp32")
@json_option
def quantise(
    bundle: Path,
    data: Path,
    out: Path,
    run: Path | None,
    images: int,
    seed: int,
    left: float,
    engine: EngineSettings,
    as_json: bool,
) -> None:
    """Turn BUNDLE's graphs to int8: another bundle, if its answers are the same.

    Ranges are observed on images that the run learned from. The most sensitive layers stay in
    fp32 until the answers agree. Then both answer the studies that `ulna evaluate` takes: the
    probability must keep within 0.02 on 99 % of them, AUROC and pointing game within 0.003. A
    bundle that does not is not written (exit code 5).

    \b
    Example:
      ulna quantise runs/first/bundle --data phantoms --out runs/first/bundle-int8
    """
    from ulna.bundle.quantisation import quantisation_lines
    from ulna.experiments import quantise as quantise_bundle

    with progress() as report:
        written, result = quantise_bundle(
            bundle,
            data,
            out,
            run=run,
            images=images,
            seed=seed,
            left=left,
            engine=engine,
            progress=report,
        )
    if as_json:
        print_json({"accepted": result.accepted, "refusals": result.refusals, "figures": result})
    else:
        click.echo("\n".join(quantisation_lines(result)))
    if written is None:
        raise BundleError(
            f"int8 refused, nothing written: {'; '.join(result.refusals)}: keep the fp32 bundle, "
            "or try --left 0.75 (more layers in fp32) or more --images"
        )
    if not as_json:
        click.echo(f"accepted: {out}, hash {written.hash[:12]}")
