"""`ulna calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ulna.cli.held_out import calibration_studies
from ulna.cli.options import READABLE, json_option
from ulna.cli.output import print_json, print_table
from ulna.cli.progress import progress

if TYPE_CHECKING:
    from ulna.bundle import FusionParameters, Manifest


@click.command(epilog="How it is fitted: docs/metrics.md, docs/decisions/002-platt-offset.md")
@click.argument("bundle", type=READABLE)
@click.option("--run", type=READABLE, required=True, help="The run that BUNDLE was exported from.")
@click.option("--data", type=READABLE, required=True, help="The data that the run was trained on.")
@json_option
def calibrate(bundle: Path, run: Path, data: Path, as_json: bool) -> None:
    """Fit BUNDLE's fusion, temperatures and thresholds; rewrites its manifest.

    Uses only the studies that the run has set aside for this: no expert learned from them,
    and none of them is in the test side.

    \b
    Example:
      ulna calibrate runs/first/bundle --run runs/first --data phantoms
    """
    from ulna.datasets import index_data
    from ulna.evaluation import calibrate_bundle

    studies = calibration_studies(index_data(data), run)
    with progress() as report:
        fitted = calibrate_bundle(bundle, studies, progress=lambda d, n: report("calibrate", d, n))
    fusion = fitted.manifest.fusion
    if as_json:
        print_json(fusion)
    else:
        print_fusion(fusion)
        click.echo(domain_line(fitted.manifest))


def domain_line(manifest: Manifest) -> str:
    """What the bundle knows of foreign images, in one sentence."""
    domain = manifest.domain
    if domain is None:
        return (
            "foreign images: not recognised but for blank and coloured ones: the graphs give no "
            "features, or too few films were calibrated on (docs/refusal.md)"
        )
    films = ", ".join(f"{name} {n}" for name, n in domain.n_images.items())
    return (
        f"foreign images: refused by features, which refuses about {domain.refused:.0%} of good "
        f"films; learned from the films of the calibration part (by expert: {films})"
    )


def print_fusion(fusion: FusionParameters) -> None:
    """One row per body part: weight of each expert, temperature, offset, thresholds."""
    names = list(next(iter(fusion.weights.values())))
    points = list(fusion.thresholds)
    rows = [
        [
            part.value,
            *(f"{weights[n]:.2f}" for n in names),
            f"{fusion.temperatures[part]:.2f}",
            f"{fusion.offsets[part]:+.2f}",
            *(f"{fusion.thresholds[p][part]:.2f}" for p in points),
        ]
        for part, weights in fusion.weights.items()
    ]
    title = f"fitted on {fusion.n_calibration_studies} studies"
    print_table(title, ["body part", *names, "temperature", "offset", *points], rows)
    if fusion.conformal:
        _print_costs(fusion)


def _print_costs(fusion: FusionParameters) -> None:
    """What each operating point costs, on the calibration studies it was chosen on."""
    from ulna.runtime.certainty import costs

    rows = [
        [part.value, f"{rates[0].n_abnormal}/{rates[0].n_normal}", *(str(r) for r in rates)]
        for part, rates in costs(fusion).items()
    ]
    title = "sensitivity / specificity on these studies: a little flattered"
    print_table(title, ["body part", "abnormal/normal", *fusion.thresholds], rows)
