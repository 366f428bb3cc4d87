"""Write report.html from rows, metrics and manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ulna.config.meaning import answer_words
from ulna.digest import file_sha256
from ulna.evaluation.compare import MEAN
from ulna.evaluation.finding_scores import MEASURES
from ulna.evaluation.rows import StudyRow, parts_of, scored_rows
from ulna.evaluation.scores import Json, study_sample
from ulna.report import figures, gallery, reliability
from ulna.report.card import map_banner, model_card
from ulna.report.render import render_page
from ulna.report.sections.section import Section, absent

if TYPE_CHECKING:
    from ulna.bundle import ModelBundle

_RANKING = ("auroc", "average_precision", "brier", "ece", "ece_debiased")
_TERMS = ("brier", "brier_reliability", "brier_resolution", "brier_uncertainty", "brier_within")
_DECISIONS = ("sensitivity", "specificity", "precision", "f1", "accuracy", "kappa")


def write_report(
    bundle: ModelBundle,
    rows: Sequence[StudyRow],
    metrics: Json,
    out: Path,
    sections: Sequence[Section] = (),
) -> None:
    """Write the page as one file of about 1 to 3 MB that loads nothing.

    sections: results of other commands, see `report.sections`. The predictions.csv of `rows` is
    expected in the folder of `out`.
    """
    try:
        own = file_sha256(out.with_name("predictions.csv"))
    except OSError:  # its writer has reported that it could not be written
        own = ""
    content = _content(bundle, rows, metrics) | {
        "sections": sections,
        "absent": absent(sections),
        "predictions": own,
    }
    render_page("report.html.j2", content, out)


def _content(bundle: ModelBundle, rows: Sequence[StudyRow], metrics: Json) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "m": metrics,
        "card": model_card(bundle),
        "words": answer_words(manifest.abnormal_means),
        "maps": map_banner(manifest),
        "calibrated": manifest.fusion.calibrated,
        "trained_on_phantoms": manifest.data.kind == "phantom",
        "phantoms": any(f.cnr is not None for r in rows for i in r.images for f in i.ref.findings),
        "parts": [p.value for p in manifest.body_parts],
        "groups": list(metrics["by_body_part"]),
        "graded": any("n_abnormal_visible" in g for g in metrics["by_body_part"].values()),
        "ranking": _RANKING,
        "terms": _TERMS,
        "decisions": _DECISIONS,
        "finding_measures": tuple(MEASURES),
        "compared": _compared(metrics),
        "figures": {k: Markup(v) for k, v in _figures(rows, metrics).items()},
        "galleries": gallery.build_gallery(rows, manifest.fusion.map_limit),
        "scale": gallery.scale_bar(manifest.fusion.map_limit),
        "map_limit": manifest.fusion.map_limit,
        "map_threshold": manifest.fusion.map_threshold,
        "faults": [(r.key, r.fault) for r in rows if r.fault][:50],
        "skipped": [s for r in rows for s in r.skipped][:50],
        "refusals": Counter(i.refusal for r in rows for i in r.images if i.refusal).most_common(),
    }


def _figures(rows: Sequence[StudyRow], metrics: Json) -> dict[str, str]:
    groups = {p.value: scored_rows(rows, p) for p in parts_of(rows)}
    everything = scored_rows(rows)
    samples = {n: study_sample(g) for n, g in groups.items()}
    if len(samples) > 1:
        samples["ALL"] = study_sample(everything)
    drawn = {
        "roc": figures.roc_figure(samples),
        "pr": figures.pr_figure(samples),
        "reliability": reliability.reliability_figure(samples),
        "distribution": figures.distribution_figure(groups),
    }
    compared = {
        g: {n: table[g]["auroc"] for n, table in _compared(metrics).items()}
        for g in metrics["by_body_part"]
    }
    if metrics["experts"]:
        drawn["experts"] = figures.forest_figure(compared, "AUROC")
    detail = metrics["by_subtlety"] | metrics["by_finding"]
    if detail:
        drawn["findings"] = figures.sensitivity_figure(detail)
    return drawn


def _compared(metrics: Json) -> dict[str, Json]:
    """Return group -> measures of the hybrid, the mean of the experts and each expert, by name."""
    table = {"hybrid": metrics["by_body_part"]}
    if MEAN in metrics:
        table[MEAN] = metrics[MEAN]
    return table | dict(metrics["experts"])
