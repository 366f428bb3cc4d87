"""report.html from rows, metrics and manifest, through one template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ulna.evaluation.compare import MEAN
from ulna.evaluation.report import figures, gallery, reliability
from ulna.evaluation.report.card import model_card
from ulna.evaluation.rows import StudyRow, parts_of, scored_rows
from ulna.evaluation.scores import Json, study_sample

if TYPE_CHECKING:
    from ulna.bundle import ModelBundle

_RANKING = ("auroc", "average_precision", "brier", "ece", "ece_debiased")
_TERMS = ("brier", "brier_reliability", "brier_resolution", "brier_uncertainty", "brier_within")
_DECISIONS = ("sensitivity", "specificity", "precision", "f1", "accuracy", "kappa")
_NAMES = {
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "brier_reliability": "Reliability",
    "brier_resolution": "Resolution",
    "brier_uncertainty": "Uncertainty",
    "brier_within": "Within bins",
    "ece": "ECE",
    "ece_debiased": "ECE debiased",
    "f1": "F1",
    "jpeg": "JPEG",
    "kappa": "Cohen’s κ",
}


def write_report(bundle: ModelBundle, rows: Sequence[StudyRow], metrics: Json, out: Path) -> None:
    """Write the page as one file that loads nothing; about 1 to 3 MB."""
    render_page("report.html.j2", _content(bundle, rows, metrics), out)


def render_page(template: str, content: Mapping[str, Any], out: Path) -> None:
    """Fill `template`, a file of this folder, with `content` and the common style; write `out`."""
    folder = resources.files("ulna.evaluation.report")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters |= {
        "interval": interval_text,
        "percent": percent_text,
        "measure": measure_name,
        "words": lambda text: str(text).replace("_", " "),
    }
    filled = environment.from_string(folder.joinpath(template).read_text("utf-8"))
    style = folder.joinpath("style.css").read_text("utf-8")
    partial = out.with_name(out.name + ".partial")
    partial.write_text(filled.render(style=Markup(style), **content), encoding="utf-8")
    partial.replace(out)


def _content(bundle: ModelBundle, rows: Sequence[StudyRow], metrics: Json) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "m": metrics,
        "card": model_card(bundle),
        "calibrated": manifest.fusion.calibrated,
        "trained_on_phantoms": manifest.data.kind == "phantom",
        "phantoms": any(f.cnr is not None for r in rows for i in r.images for f in i.ref.findings),
        "parts": [p.value for p in manifest.body_parts],
        "groups": list(metrics["by_body_part"]),
        "graded": any("n_abnormal_visible" in g for g in metrics["by_body_part"].values()),
        "ranking": _RANKING,
        "terms": _TERMS,
        "decisions": _DECISIONS,
        "alone": _alone(metrics),
        "figures": {k: Markup(v) for k, v in _figures(rows, metrics).items()},
        "galleries": gallery.build_gallery(rows, manifest.fusion.map_limit),
        "scale": gallery.scale_bar(manifest.fusion.map_limit),
        "map_limit": manifest.fusion.map_limit,
        "map_threshold": manifest.fusion.map_threshold,
        "faults": [(r.key, r.fault) for r in rows if r.fault][:50],
        "skipped": [s for r in rows for s in r.skipped][:50],
    }


def _figures(rows: Sequence[StudyRow], metrics: Json) -> dict[str, str]:
    groups = {p.value: scored_rows(rows, p) for p in parts_of(rows)}
    everything = scored_rows(rows)
    samples = {n: study_sample(g) for n, g in groups.items()}
    if len(samples) > 1:
        samples["ALL"] = study_sample(everything)
    found = {
        "roc": figures.roc_figure(samples),
        "pr": figures.pr_figure(samples),
        "reliability": reliability.reliability_figure(samples),
        "distribution": figures.distribution_figure(groups),
    }
    compared = {
        g: {n: table[g]["auroc"] for n, table in _alone(metrics).items()}
        for g in metrics["by_body_part"]
    }
    if metrics["experts"]:
        found["experts"] = figures.forest_figure(compared, "AUROC")
    detail = metrics["by_subtlety"] | metrics["by_finding"]
    if detail:
        found["findings"] = figures.sensitivity_figure(detail)
    return found


def _alone(metrics: Json) -> dict[str, Json]:
    """Hybrid first, then the mean, then each expert: group -> measures."""
    table = {"hybrid": metrics["by_body_part"]}
    if MEAN in metrics:
        table[MEAN] = metrics[MEAN]
    return table | dict(metrics["experts"])


def interval_text(entry: Mapping[str, float | None] | None, digits: int = 3) -> Markup:
    """'0.931 (0.902 to 0.957)' with the interval set smaller; a dash where undefined."""
    if entry is None or entry["value"] is None:
        return Markup('<span class="none">–</span>')
    value, low, high = entry["value"], entry["low"], entry["high"]
    text = f"<b>{value:.{digits}f}</b>"
    if low is not None and high is not None:
        mark = "†" if low == high else ""
        text += f" <small>{low:.{digits}f}–{high:.{digits}f}{mark}</small>"
    return Markup(text)


def percent_text(value: float | None) -> str:
    """'93.1 %', a dash where undefined."""
    return "–" if value is None else f"{100 * value:.1f} %"


def measure_name(name: str) -> str:
    """The measure as it is written in a table."""
    return _NAMES.get(name, name.replace("_", " ").capitalize())
