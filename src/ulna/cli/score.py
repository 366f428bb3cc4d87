"""`ulna score`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ulna.cli.options import OUT_FOLDER, READABLE, json_option
from ulna.cli.output import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command(epilog="What the intervals are: docs/metrics.md")
@click.option("--labels", type=READABLE, required=True, help="valid_labeled_studies.csv, or votes.")
@click.option("--predictions", type=READABLE, required=True, help="study,0 or 1; or Ulna's own.")
@click.option("--legacy-ci", is_flag=True, help="Intervals as MURA's program has them: too narrow.")
@click.option("--out", type=OUT_FOLDER, help="Folder for score.json and its receipt.")
@json_option
def score(legacy_ci: bool, as_json: bool, **options: Any) -> None:
    """Score predictions as the MURA competition did, and estimate their rank in it.

    Cohen's kappa over all studies and by region. LABELS has lines `study,0 or 1`, or the labels
    of three radiologists, whose majority counts. PREDICTIONS has the competition's lines, or is
    the predictions.csv of `ulna evaluate`. --json prints the keys of the competition's program
    (Overall_Mean, Overall_Lower, Overall_Upper, Elbow_Mean, ...) and all other scores.

    \b
    Examples:
      ulna score --labels MURA-v1.1/valid_labeled_studies.csv --predictions predictions.csv
      ulna score --labels votes.csv --predictions runs/mura/evaluation/predictions.csv --json
    """
    from ulna.evaluation.mura_score import official_keys
    from ulna.experiments import score as score_predictions

    result = score_predictions(**options)
    scores = result.scores
    if as_json:
        interval = "legacy" if legacy_ci else "analytic"
        print_json({**official_keys(scores, legacy_ci), "interval": interval, "details": scores})
        return
    _print_kappas(scores, legacy_ci)
    if result.simulated:
        click.echo("phantoms: these scores cannot be compared with radiologists or MURA")
    else:
        _print_ranks(scores)


def _print_kappas(scores: Mapping[str, Any], legacy: bool) -> None:
    columns = ["region", "abnormal/all", "kappa", "95 % analytic", "95 % bootstrap"]
    rows = []
    for name, row in scores.items():
        cells = [name, f"{row['n_abnormal']}/{row['n']}", _number(row["kappa"])]
        cells += [_interval(row["analytic"]), _interval(row["bootstrap"])]
        rows.append([*cells, _interval(row["legacy"])] if legacy else cells)
    print_table("Cohen's kappa", [*columns, "legacy"] if legacy else columns, rows)
    if legacy:
        click.echo("legacy: the variance in place of the standard error, so much too narrow")


def _print_ranks(scores: Mapping[str, Any]) -> None:
    rows = []
    for name, row in scores.items():
        standing = row["standing"]
        if standing is None:
            continue
        verdicts = [f"{r['verdict']} ({r['difference']:+.2f})" for r in standing["radiologists"]]
        rank = f"{standing['rank']} ({standing['rank_best']} to {standing['rank_worst']})"
        rows.append([name, rank, *verdicts])
    columns = ["region", "rank of 98", "radiologist 1", "radiologist 2", "radiologist 3"]
    print_table("on MURA's hidden test, if these studies are like those", columns, rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(interval: Mapping[str, float | None]) -> str:
    low, high = interval["low"], interval["high"]
    return "-" if low is None or high is None else f"{low:.3f} to {high:.3f}"
