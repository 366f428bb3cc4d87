"""`ulna calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ulna.cli.options import READABLE, json_option, outliers_option
from ulna.cli.output import print_json, print_table
from ulna.cli.progress import progress
from ulna.experiments.expert_names import by_folds

if TYPE_CHECKING:
    from ulna.bundle import FusionParameters, Manifest


@click.command(epilog="How it is fitted: docs/metrics.md, docs/decisions/002-platt-offset.md")
@click.argument("bundle", type=READABLE)
@click.option("--run", type=READABLE, required=True, help="The run that BUNDLE was exported from.")
@click.option("--data", type=READABLE, required=True, help="The data that the run was trained on.")
@click.option(
    "--disagreement",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="Of a cascade: the share of studies that may change side (docs/cascade.md).",
)
@outliers_option
@json_option
def calibrate(
    bundle: Path,
    run: Path,
    data: Path,
    disagreement: float,
    outliers: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Fit BUNDLE's fusion, temperatures and thresholds; rewrites its manifest.

    Uses only the studies that the run has set aside for this: no expert learned from them,
    and none of them is in the test side. With several experts a cascade is fitted too: where the
    first are certain enough for `ulna predict --cascade` to stop. What shows no limb is learned
    from made pictures and from the images of --outliers (docs/refusal.md).

    \b
    Examples:
      ulna calibrate runs/first/bundle --run runs/first --data phantoms
      ulna calibrate runs/arm/bundle --run runs/arm --data arm.csv --outliers legs.csv
    """
    from ulna.experiments import calibrate as calibrate_bundle

    with progress() as report:
        fitted = calibrate_bundle(
            bundle, run, data, disagreement=disagreement, outliers=outliers, progress=report
        )
    fusion = fitted.manifest.fusion
    if as_json:
        print_json(fusion)
    else:
        print_fusion(fusion)
        click.echo("\n".join(findings_lines(fitted.manifest)))
        click.echo(out_of_distribution_line(fitted.manifest))
        click.echo(cascade_line(fitted.manifest))


def cascade_line(manifest: Manifest) -> str:
    """What a cascade skips at the bundle's operating point, in one sentence."""
    cascade = manifest.cascade
    if cascade is None:
        why = "one expert" if len(manifest.experts) == 1 else "not fitted: calibrate again"
        return f"cascade: none ({why})"
    check = cascade.checks[manifest.operating_point]
    most, sure = f"{cascade.disagreement:.1%}", f"{cascade.confidence:.0%}"
    if not check.n_left:
        return (
            f"cascade: skips nothing: {check.n_studies} calibration studies do not show that at "
            f"most {most} change side ({sure} confidence, {cascade.n_needed} needed or more): "
            "calibrate on more, or allow more (--disagreement)"
        )
    order = ", ".join("+".join(by_folds(s.experts)) for s in cascade.stages)
    whose = "" if cascade.measured else "; found with one fold's experts, not with their mean"
    return (
        f"cascade: {order} first, then the rest; {check.n_left} of {check.n_studies} calibration "
        f"studies left early, {check.n_changed} changed side (at most {check.at_most:.1%} of new "
        f"ones at {sure} confidence); {check.cost:.2f} of the multiply-adds{whose}"
    )


def findings_lines(manifest: Manifest) -> list[str]:
    """A line for each category of finding that the bundle knows, one for those it cannot know."""
    known = manifest.fusion.findings
    if not manifest.categories:
        return ["findings: the bundle names none"]
    if known is None:
        return ["findings: not calibrated: named of single images alone; run `ulna calibrate`"]
    point = manifest.operating_point
    lines = [
        f"finding {c.replace('_', ' ')}: temperature {own.temperature:.2f}, offset "
        f"{own.offset:+.2f}, threshold {own.thresholds[point]:.3f} ({point}; {own.n_present} "
        f"studies with, {own.n_absent} without)"
        for c, own in known.items()
    ]
    absent = [c.replace("_", " ") for c in manifest.categories if c not in known]
    unknown = f"findings that the bundle cannot know: {', '.join(absent)}"
    return [*lines, unknown] if absent else lines


def out_of_distribution_line(manifest: Manifest) -> str:
    """What the bundle knows of foreign images, in one sentence."""
    out_of_distribution = manifest.out_of_distribution
    if out_of_distribution is None:
        return (
            "foreign images: not recognised but for blank and coloured ones: the graphs give no "
            "features, or too few images were calibrated on (docs/refusal.md)"
        )
    experts = by_folds(out_of_distribution.n_images)
    counts = {
        name: sum(out_of_distribution.n_images[n] for n in own) for name, own in experts.items()
    }
    images = ", ".join(f"{name} {n}" for name, n in counts.items())
    known = f"learned from the images of the calibration part (by expert: {images})"
    if not out_of_distribution.outlier_experts:
        return (
            "foreign images: refused by features, which refuses about "
            f"{out_of_distribution.refused:.0%} of good images; {known}"
        )
    others = ", ".join(
        f"{n} of the kind '{kind}'" for kind, n in out_of_distribution.n_outliers.items() if n
    )
    return (
        f"foreign images: about {out_of_distribution.refused:.1%} of good images are refused as no "
        "image of a "
        f"limb, told apart by {others}; images of other hospitals get a wider probability; {known}"
    )


def print_fusion(fusion: FusionParameters) -> None:
    """One row per body part: weight of each expert, temperature, offset, thresholds.

    An expert that has a graph for every fold is one column: what they weigh together.
    """
    experts = by_folds(next(iter(fusion.weights.values())))
    points = list(fusion.thresholds)
    rows = [
        [
            part.value,
            *(f"{sum(weights[n] for n in own):.2f}" for own in experts.values()),
            f"{fusion.temperatures[part]:.2f}",
            f"{fusion.offsets[part]:+.2f}",
            *(f"{fusion.thresholds[p][part]:.2f}" for p in points),
        ]
        for part, weights in fusion.weights.items()
    ]
    title = f"fitted on {fusion.n_calibration_studies} studies"
    print_table(title, ["body part", *experts, "temperature", "offset", *points], rows)
    if fusion.conformal:
        _print_costs(fusion)


def _print_costs(fusion: FusionParameters) -> None:
    """What each operating point costs, on the calibration studies it was chosen on."""
    from ulna.runtime.confidence import operating_rates

    rows = [
        [part.value, f"{rates[0].n_abnormal}/{rates[0].n_normal}", *(str(r) for r in rates)]
        for part, rates in operating_rates(fusion).items()
    ]
    title = "sensitivity / specificity on these studies: a little flattered"
    print_table(title, ["body part", "abnormal/normal", *fusion.thresholds], rows)
