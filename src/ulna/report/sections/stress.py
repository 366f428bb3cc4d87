"""Where the bundle breaks, from stress.json."""

from __future__ import annotations

from markupsafe import Markup

from ulna.evaluation.scores import Json
from ulna.report.sections.folders import Included
from ulna.report.stress_figures import scores_figure
from ulna.report.svg import to_svg
from ulna.robustness.stress.breaks import FLIPS_ALLOWED


def content(included: Included) -> Json:
    """Return the content of stress.html.j2."""
    result = included.result
    label = f"AUROC, sensitivity and specificity by severity ({included.name})"
    rows = [_migrated(r) for r in result["where_it_breaks"]]
    return {
        "s": result,
        "corruptions": [r for r in rows if r["kind"] == "corruption"],
        "subgroups": [r for r in rows if r["kind"] == "subgroup"],
        "n_compared": sum(len(g) for kind in result["subgroups"].values() for g in kind.values()),
        "flips_allowed": FLIPS_ALLOWED,
        "figure": Markup(to_svg(scores_figure(result), label)),
    }


def _migrated(row: Json) -> Json:
    """Return a row of an earlier version under the present names of amount and image."""
    row = {"amount_text" if k == "told" else k: v for k, v in row.items()}
    return row | {"level": "image"} if row.get("level") == "film" else row
