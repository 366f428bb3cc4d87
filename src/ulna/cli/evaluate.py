"""`ulna evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ulna.cli.options import (
    OUT_FOLDER,
    READABLE,
    bundle_option,
    engine_option,
    held_out_options,
    json_option,
)
from ulna.cli.output import print_json, print_table
from ulna.cli.progress import progress
from ulna.config.meaning import ANY, answer_words
from ulna.experiments.incomplete import check_scored

if TYPE_CHECKING:
    from ulna.config.engine import EngineSettings
    from ulna.experiments.bundle_checks import Split

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

_MET = {
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
    help="Of stress, examine, review, score or audit: shown in the report too.",
)
@held_out_options
@click.option(
    "--cascade", is_flag=True, help="Score the bundle's cascade beside (docs/cascade.md)."
)
@engine_option("onnxruntime:fp32")
@json_option
def evaluate(
    data: Path,
    bundle: Path,
    out: Path,
    include: tuple[Path, ...],
    split: Split | None,
    run: Path | None,
    operating_point: str | None,
    cascade: bool,
    engine: EngineSettings,
    as_json: bool,
) -> None:
    """Score BUNDLE on the labelled studies of DATA: metrics.json, predictions.csv, report.html.

    Without --split the studies are those that DATA itself holds out (valid, test); if it
    holds out none, those that the bundle's run never used; if the run is not known, all.
    The choice is printed. Studies without an answer are counted by reason at the end (exit code
    10); the others are scored.

    --include FOLDER, which may be repeated, brings what `ulna stress`, `examine`, `review`,
    `score --out` or `audit` wrote into the report, with the command, data and bundle that it
    comes from; the report says where that is another bundle, and what is not included.

    \b
    Examples:
      ulna evaluate phantoms --bundle runs/first/bundle --out runs/first/evaluation
      ulna evaluate MURA-v1.1 --bundle runs/mura/bundle --out runs/mura/evaluation
      ulna evaluate table.csv --bundle BUNDLE --out scores --split all --json
      ulna evaluate phantoms --bundle runs/first/bundle --out runs/first/evaluation \\
          --include runs/first/examination --include runs/first/stress
    """
    from ulna.experiments import evaluate as evaluate_bundle

    with progress() as report:
        metrics = evaluate_bundle(
            data,
            bundle,
            out,
            include=include,
            split=split,
            run=run,
            operating_point=operating_point,
            cascade=cascade,
            engine=engine,
            progress=report,
        )
    _tell(metrics, out, as_json)


def _tell(metrics: Mapping[str, Any], out: Path, as_json: bool) -> None:
    """The scores, then what has none; raises as `check_scored`."""
    if as_json:
        print_json(metrics)
    else:
        print_metrics(metrics)
        click.echo(f"report: {out / 'report.html'}")
        click.echo(f"receipt: {out / 'receipt.json'} (ulna verify {out})")
    check_scored(metrics)


def print_metrics(metrics: Mapping[str, Any]) -> None:
    """One row per body part, scores above their 95 % intervals; then place and recognition.

    'visible' is over normal studies and those whose finding is obvious or moderate.
    """
    by_part = metrics["by_body_part"]
    shown = {k: v for k, v in _COLUMNS.items() if any(k in scores for scores in by_part.values())}
    word = answer_words(metrics.get("abnormal_means", ANY))[0]
    rows = [
        [
            part,
            f"{scores['n_abnormal']}/{scores['n_studies']}",
            *(_interval(scores.get(name), between="\n") for name in shown),
        ]
        for part, scores in by_part.items()
    ]
    print_table("", ["body part", f"{word}/all", *shown.values()], rows)
    _print_findings(metrics)
    print_sources(metrics.get("by_source") or {})
    place = metrics.get("localisation") or {}
    if _number(place.get("pointing_game")) is not None:
        click.echo(
            "pointing game {} (chance {}), energy inside {}".format(
                *(_interval(place.get(k)) for k in ("pointing_game", "chance", "energy_inside"))
            )
        )
    recognised = metrics.get("body_part") or {}
    if _number(recognised.get("accuracy")) is not None:
        click.echo(f"body part recognised: {_interval(recognised['accuracy'])}")
    verdict = (metrics.get("comparison") or {}).get("ALL")
    if verdict:
        click.echo(verdict["sentence"])
    if "cascade" in metrics:
        click.echo(cascade_sentence(metrics["cascade"]))


def _print_findings(metrics: Mapping[str, Any]) -> None:
    """A row for each category of finding and their means; how often the leading one is right."""
    groups, word = (
        metrics.get("findings") or {},
        answer_words(metrics.get("abnormal_means", ANY))[0],
    )
    for name, title in (("ALL", "findings"), ("VISIBLE", "findings, visible")):
        result = groups.get(name)
        if result is None:
            continue
        rows = [
            [c.replace("_", " "), f"{own['n_present']}/{own['n_present'] + own['n_absent']}"]
            + [_interval(own[k], between="\n") for k in _FINDING_COLUMNS]
            for c, own in result["categories"].items()
        ]
        macro = result["macro"]
        cells = [_interval(macro.get(k), between="\n") for k in _FINDING_COLUMNS]
        rows.append([f"mean of {macro['n_categories']}", "", *cells])
        print_table(title, ["finding", "present/known", *_FINDING_COLUMNS.values()], rows)
        if "leading" in result:
            lead = result["leading"]
            click.echo(
                f"leading finding right: {_interval(lead['right'])} of {lead['n_studies']} studies "
                f"of one finding, {_interval(lead.get('right_of_called'))} of the "
                f"{lead['n_called']} called {word}"
            )
    if metrics.get("findings_unknown"):
        unknown = ", ".join(metrics["findings_unknown"]).replace("_", " ")
        click.echo(f"findings that the bundle gives no calibrated probability of: {unknown}")


def print_sources(sources: Mapping[str, Any]) -> None:
    """One row for each of several sources: what a reader meets there."""
    shown = {n: one for n, one in sources.items() if one["n_studies"]}
    rows = [
        [name, one.get("where", ""), f"{one['n_abnormal']}/{one['n_studies']}"]
        + [_interval(one[m], between="\n") for m in _MET]
        for name, one in shown.items()
    ]
    if rows:
        head = ["source", "", "abnormal/all", *_MET.values()]
        print_table("by source, at the operating point", head, rows)


def cascade_sentence(result: Mapping[str, Any]) -> str:
    """Agreement of a cascade with the whole hybrid, and what it saves, in a line."""
    changed, difference = result["changed"], result["auroc_difference"]
    message = (
        f"cascade: {result['left']:.0%} of {result['n_studies']} studies left early, "
        f"{result['n_changed']} changed side ({changed['value']:.1%}, 95 % interval "
        f"{changed['low']:.1%} to {changed['high']:.1%}), {result['cost']:.2f} of the multiply-adds"
    )
    if _number(difference) is None:
        return message
    return (
        f"{message}, AUROC {result['auroc']['value']:.3f} ({difference['value']:+.4f}, "
        f"{difference['low']:+.4f} to {difference['high']:+.4f})"
    )


def _number(score: Any) -> float | None:
    value = score.get("value") if isinstance(score, Mapping) else score
    return float(value) if isinstance(value, (int, float)) else None


def _interval(score: Any, between: str = " ") -> str:
    value = _number(score)
    if value is None:
        return "-"
    if isinstance(score, Mapping) and score.get("low") is not None:
        return f"{value:.3f}{between}{score['low']:.2f} to {score['high']:.2f}"
    return f"{value:.3f}"
