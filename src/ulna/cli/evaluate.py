"""`ulna evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ulna.cli.options import (
    OUT_FOLDER,
    READABLE,
    bundle_option,
    engine_option,
    json_option,
    operating_point_option,
    tested_options,
)
from ulna.cli.output import interval_text, number_of, print_json, print_table
from ulna.cli.progress import with_progress
from ulna.config.meaning import ANY, answer_words
from ulna.experiments.incomplete import check_scored

_COLUMNS = {
    "auroc_visible": "AUROC visible",
    "sensitivity_visible": "sensitivity visible",
    "specificity": "specificity",
    "auroc": "AUROC",
    "sensitivity": "sensitivity",
    "kappa": "kappa",
}
_FINDING_COLUMNS = {
    "auroc": "AUROC",
    "average_precision": "AP",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}

_SOURCE_COLUMNS = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "refused": "refused",
    "body_part_accuracy": "body part",
}


@click.command(epilog="What each number means and where it comes from: docs/metrics.md")
@click.argument("data", type=READABLE)
@bundle_option
@click.option("--out", type=OUT_FOLDER, required=True, help="Folder for metrics and report.")
@click.option(
    "--include",
    multiple=True,
    type=READABLE,
    metavar="FOLDER",
    help="Results of stress, examine, review, score or audit for the report; repeatable.",
)
@tested_options
@operating_point_option
@click.option("--cascade", is_flag=True, help="Score the bundle's cascade too (docs/cascade.md).")
@engine_option("onnxruntime:fp32")
@json_option
def evaluate(out: Path, as_json: bool, **options: Any) -> None:
    """Score BUNDLE on the labelled studies of DATA: metrics.json, predictions.csv, report.html.

    Without --split the studies are those that DATA itself holds out (valid, test); if it
    holds out none, those that the bundle's run never used; if the run is not known, all.
    The choice is printed. Studies without an answer are counted by reason at the end (exit code
    10); the others are scored.

    --include FOLDER adds to the report what `ulna stress`, `examine`, `review`, `score --out` or
    `audit` wrote, with the command, data and bundle that it comes from. The report notes where
    that is another bundle, and which results are not included.

    \b
    Examples:
      ulna evaluate phantoms --bundle runs/first/bundle --out runs/first/evaluation
      ulna evaluate MURA-v1.1 --bundle runs/mura/bundle --out runs/mura/evaluation
      ulna evaluate table.csv --bundle BUNDLE --out scores --split all --json
      ulna evaluate phantoms --bundle runs/first/bundle --out runs/first/evaluation \\
          --include runs/first/examination --include runs/first/stress
    """
    from ulna.experiments import evaluate as evaluate_bundle

    metrics = with_progress(evaluate_bundle, out=out, **options)
    if as_json:
        print_json(metrics)
    else:
        print_metrics(metrics)
        click.echo(f"report: {out / 'report.html'}")
        click.echo(f"receipt: {out / 'receipt.json'} (ulna verify {out})")
    check_scored(metrics)


def print_metrics(metrics: Mapping[str, Any]) -> None:
    """Print a row for each body part, then findings, sources, localisation and body part.

    Scores stand above their 95 % intervals. 'visible' scores are over normal studies and those
    whose finding is obvious or moderate.
    """
    by_part = metrics["by_body_part"]
    shown = {k: v for k, v in _COLUMNS.items() if any(k in scores for scores in by_part.values())}
    word = answer_words(metrics.get("abnormal_means", ANY))[0]
    rows = [
        [
            part,
            f"{scores['n_abnormal']}/{scores['n_studies']}",
            *(interval_text(scores.get(name), "\n") for name in shown),
        ]
        for part, scores in by_part.items()
    ]
    print_table("", ["body part", f"{word}/all", *shown.values()], rows)
    _print_findings(metrics)
    print_sources(metrics.get("by_source") or {})
    localisation = metrics.get("localisation") or {}
    if number_of(localisation.get("pointing_game")) is not None:
        click.echo(
            "pointing game {} (chance {}), energy inside {}".format(
                *map(
                    interval_text,
                    map(localisation.get, ("pointing_game", "chance", "energy_inside")),
                )
            )
        )
    body_part = metrics.get("body_part") or {}
    if number_of(body_part.get("accuracy")) is not None:
        click.echo(f"body part recognised: {interval_text(body_part['accuracy'])}")
    comparison = (metrics.get("comparison") or {}).get("ALL")
    if comparison:
        click.echo(comparison["sentence"])
    if "cascade" in metrics:
        click.echo(cascade_sentence(metrics["cascade"]))


def _print_findings(metrics: Mapping[str, Any]) -> None:
    """Print a row for each category of finding, their means, and how often the leading is right."""
    groups = metrics.get("findings") or {}
    word = answer_words(metrics.get("abnormal_means", ANY))[0]
    for name, title in (("ALL", "findings"), ("VISIBLE", "findings, visible")):
        scores = groups.get(name)
        if scores is None:
            continue
        rows = [
            [c.replace("_", " "), f"{row['n_present']}/{row['n_present'] + row['n_absent']}"]
            + [interval_text(row[k], "\n") for k in _FINDING_COLUMNS]
            for c, row in scores["categories"].items()
        ]
        macro = scores["macro"]
        cells = [interval_text(macro.get(k), "\n") for k in _FINDING_COLUMNS]
        rows.append([f"mean of {macro['n_categories']}", "", *cells])
        print_table(title, ["finding", "present/known", *_FINDING_COLUMNS.values()], rows)
        if "leading" in scores:
            lead = scores["leading"]
            click.echo(
                f"leading finding right: {interval_text(lead['right'])} of {lead['n_studies']} "
                f"studies of one finding, {interval_text(lead.get('right_of_called'))} of the "
                f"{lead['n_called']} called {word}"
            )
    if metrics.get("findings_unknown"):
        unknown = ", ".join(metrics["findings_unknown"]).replace("_", " ")
        click.echo(f"findings without calibrated probability: {unknown}")


def print_sources(sources: Mapping[str, Any]) -> None:
    """Print the scores of each source that has studies, at the operating point."""
    rows = [
        [name, scores.get("where", ""), f"{scores['n_abnormal']}/{scores['n_studies']}"]
        + [interval_text(scores[m], "\n") for m in _SOURCE_COLUMNS]
        for name, scores in sources.items()
        if scores["n_studies"]
    ]
    if rows:
        head = ["source", "", "abnormal/all", *_SOURCE_COLUMNS.values()]
        print_table("by source, at the operating point", head, rows)


def cascade_sentence(result: Mapping[str, Any]) -> str:
    """Return in a line how a cascade agrees with the whole hybrid, and what it saves."""
    changed, difference = result["changed"], result["auroc_difference"]
    message = (
        f"cascade: {result['left']:.0%} of {result['n_studies']} studies left early, "
        f"{result['n_changed']} changed their decision ({changed['value']:.1%}, 95 % interval "
        f"{changed['low']:.1%} to {changed['high']:.1%}), {result['cost']:.2f} of the multiply-adds"
    )
    if number_of(difference) is None:
        return message
    return (
        f"{message}, AUROC {result['auroc']['value']:.3f} ({difference['value']:+.4f}, "
        f"{difference['low']:+.4f} to {difference['high']:+.4f})"
    )
