"""Write stress.html and stress.png from scores and answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ulna.config.meaning import answer_words
from ulna.corruptions import suite_rows
from ulna.evaluation.scores import Json
from ulna.report.render import render_page
from ulna.report.stress_figures import left_out_figure, moves_figure, scores_figure
from ulna.report.stress_strip import image_strips
from ulna.report.svg import to_svg, write_png
from ulna.robustness.stress.breaks import FLIPS_ALLOWED
from ulna.robustness.stress.paired import MEASURES
from ulna.robustness.stress.subgroups import FEWEST

if TYPE_CHECKING:
    from ulna.bundle import ModelBundle
    from ulna.robustness.stress.pipeline import Stressed

_SUBGROUP_MEASURES = ("auroc", "average_precision", "sensitivity", "specificity", "kappa", "brier")


def write_stress_page(bundle: ModelBundle, stressed: Stressed, result: Json, out: Path) -> None:
    """Write stress.html, one file that loads nothing, and stress.png into the folder `out`."""
    write_png(scores_figure(result), out / "stress.png")
    render_page("stress.html.j2", _content(bundle, stressed, result), out / "stress.html")


def _content(bundle: ModelBundle, stressed: Stressed, result: Json) -> dict[str, Any]:
    broken = result["where_it_breaks"]
    images = [i for s in stressed.studies for i in s.images]
    return {
        "m": result,
        "corruption_rows": [r for r in broken if r["kind"] == "corruption"],
        "subgroup_rows": [r for r in broken if r["kind"] == "subgroup"],
        "n_compared": sum(len(g) for kind in result["subgroups"].values() for g in kind.values()),
        "fewest": FEWEST,
        "flips_allowed": FLIPS_ALLOWED,
        "measures": MEASURES,
        "subgroup_measures": _SUBGROUP_MEASURES,
        "suite": suite_rows(),
        "phantoms": any(f.cnr is not None for i in images for f in i.findings),
        "trained_on_phantoms": bundle.manifest.data.kind == "phantom",
        "words": answer_words(bundle.manifest.abnormal_means),
        "input_size": bundle.manifest.input_spec.size,
        "figures": {k: Markup(v) for k, v in _figures(stressed, result).items()},
        "strips": image_strips(
            stressed.answers.studies, bundle.manifest.input_spec.size, result["sample"]["seed"]
        ),
    }


def _figures(stressed: Stressed, result: Json) -> dict[str, str]:
    figures = {
        "scores": to_svg(scores_figure(result), "AUROC, sensitivity and specificity by severity"),
        "moves": to_svg(moves_figure(result), "Flipped decisions and changed answers by severity"),
    }
    if stressed.left_out:
        label = "Change of the study probability when a view is left out"
        figures["left_out"] = to_svg(left_out_figure(stressed.left_out), label)
    return figures
