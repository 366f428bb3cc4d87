"""`ulna calibrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ulna.cli.options import READABLE, json_option, number_option, outliers_option
from ulna.cli.output import print_json, print_table
from ulna.cli.progress import with_progress
from ulna.experiments.expert_names import by_folds

if TYPE_CHECKING:
    from ulna.bundle import FusionParameters, Manifest


@click.command(epilog="How it is fitted: docs/metrics.md, docs/decisions/002-platt-offset.md")
@click.argument("bundle", type=READABLE)
@click.option("--run", type=READABLE, required=True, help="The run that BUNDLE was exported from.")
@click.option("--data", type=READABLE, required=True, help="The data that the run was trained on.")
@number_option(
    "--disagreement",
    click.FloatRange(0, 1, min_open=True, max_open=True),
    0.01,
    "Of a cascade: the share of studies whose decision may change (docs/cascade.md).",
)
@outliers_option
@json_option
def calibrate(as_json: bool, **options: Any) -> None:
    """Fit BUNDLE's fusion, temperatures and thresholds; its manifest is rewritten.

    Uses only the calibration part of the run: no expert was trained on these studies, and none of
    them belongs to the test part. With several experts a cascade is fitted too: how confident the
    first ones must be for `ulna predict --cascade` to stop there. The detector of images that are
    out of distribution is fitted on synthetic pictures and on the images of --outliers
    (docs/refusal.md).

    \b
    Examples:
      ulna calibrate runs/first/bundle --run runs/first --data phantoms
      ulna calibrate runs/arm/bundle --run runs/arm --data arm.csv --outliers legs.csv
    """
    from ulna.experiments import calibrate as calibrate_bundle

    manifest = with_progress(calibrate_bundle, **options).manifest
    if as_json:
        print_json(manifest.fusion)
    else:
        print_fusion(manifest.fusion)
        click.echo("\n".join(findings_lines(manifest)))
        click.echo(out_of_distribution_line(manifest))
        click.echo(cascade_line(manifest))


def cascade_line(manifest: Manifest) -> str:
    """Return in one sentence what a cascade skips at the bundle's operating point."""
    cascade = manifest.cascade
    if cascade is None:
        why = "one expert" if len(manifest.experts) == 1 else "not fitted: calibrate again"
        return f"cascade: none ({why})"
    check = cascade.checks[manifest.operating_point]
    most, confidence = f"{cascade.disagreement:.1%}", f"{cascade.confidence:.0%}"
    if not check.n_left:
        return (
            f"cascade: skips nothing: {check.n_studies} calibration studies do not show that at "
            f"most {most} of decisions change ({confidence} confidence, {cascade.n_needed} or more "
            "needed): calibrate on more studies, or allow more changes (--disagreement)"
        )
    order = ", ".join("+".join(by_folds(s.experts)) for s in cascade.stages)
    remark = "" if cascade.measured else "; measured with one fold's experts, not with their mean"
    return (
        f"cascade: {order} first, then the rest; {check.n_left} of {check.n_studies} calibration "
        f"studies left early, {check.n_changed} changed their decision (at most "
        f"{check.at_most:.1%} of new ones at {confidence} confidence); {check.cost:.2f} of the "
        f"multiply-adds{remark}"
    )


def findings_lines(manifest: Manifest) -> list[str]:
    """Return a line for each calibrated category of finding, and one for all others."""
    known = manifest.fusion.findings
    if not manifest.categories:
        return ["findings: the bundle has no categories"]
    if known is None:
        return [
            "findings: not calibrated, so they are given for single images only; run "
            "`ulna calibrate`"
        ]
    point = manifest.operating_point
    lines = [
        f"finding {c.replace('_', ' ')}: temperature {fit.temperature:.2f}, offset "
        f"{fit.offset:+.2f}, threshold {fit.thresholds[point]:.3f} ({point}; {fit.n_present} "
        f"studies with, {fit.n_absent} without)"
        for c, fit in known.items()
    ]
    absent = [c.replace("_", " ") for c in manifest.categories if c not in known]
    unknown = f"findings without calibrated probability: {', '.join(absent)}"
    return [*lines, unknown] if absent else lines


def out_of_distribution_line(manifest: Manifest) -> str:
    """Return in one sentence how the bundle detects images that are out of distribution."""
    fitted = manifest.out_of_distribution
    if fitted is None:
        return (
            "out of distribution: only blank and coloured images are detected: the graphs give no "
            "features, or too few images were calibrated on (docs/refusal.md)"
        )
    counts = {
        name: sum(fitted.n_images[n] for n in members)
        for name, members in by_folds(fitted.n_images).items()
    }
    images = ", ".join(f"{name} {n}" for name, n in counts.items())
    source = f"fitted on the images of the calibration part (by expert: {images})"
    if not fitted.outlier_experts:
        return (
            "out of distribution: detected by features, which refuses about "
            f"{fitted.refused:.0%} of in-distribution images; {source}"
        )
    outliers = ", ".join(f"{n} of the kind '{kind}'" for kind, n in fitted.n_outliers.items() if n)
    return (
        f"out of distribution: about {fitted.refused:.1%} of in-distribution images are refused; "
        f"fitted against {outliers}; images of other hospitals get a wider interval; {source}"
    )


def print_fusion(fusion: FusionParameters) -> None:
    """Print a row for each body part: weight of each expert, temperature, offset, thresholds.

    An expert that has a graph for every fold is one column, with the sum of their weights.
    """
    experts = by_folds(next(iter(fusion.weights.values())))
    points = list(fusion.thresholds)
    rows = [
        [
            part.value,
            *(f"{sum(weights[n] for n in members):.2f}" for members in experts.values()),
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
    """Print the errors of each operating point on the calibration studies it was chosen on."""
    from ulna.runtime.confidence import operating_rates

    rows = [
        [part.value, f"{rates[0].n_abnormal}/{rates[0].n_normal}", *(str(r) for r in rates)]
        for part, rates in operating_rates(fusion).items()
    ]
    title = "sensitivity / specificity on these studies: slightly optimistic"
    print_table(title, ["body part", "abnormal/normal", *fusion.thresholds], rows)
