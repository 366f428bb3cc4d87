"""`ulna export`."""

from __future__ import annotations

from pathlib import Path

import click

from ulna.cli.options import READABLE
from ulna.config.recipe import Weights
from ulna.experiments.extras import require


@click.command(epilog="What a bundle holds: docs/bundle.md")
@click.argument("run", type=READABLE)
@click.option("--out", type=READABLE, required=True, help="The bundle's folder.")
@click.option(
    "--weights",
    type=click.Choice(["float32", "float16"]),
    help="Type of the stored weights; float16 halves the files.  [default: recipe's]",
)
def export(run: Path, out: Path, weights: Weights | None) -> None:
    """Export the trained RUN as a bundle: one ONNX graph for each expert and a manifest.

    The bundle predicts without torch. It is not calibrated yet: until `ulna calibrate` its experts
    have equal weights and its thresholds are 0.5.

    \b
    Example:
      ulna export runs/first --out runs/first/bundle
    """
    require("train")
    from ulna.export import export_bundle

    bundle = export_bundle(run, out, weights=weights)
    experts = ", ".join(e.name for e in bundle.manifest.experts)
    click.echo(
        f"bundle {bundle.path}: {experts}; next, ulna calibrate {out} --run {run} --data ..."
    )
