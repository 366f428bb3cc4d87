"""The prototype's protocol compared with the corrected one, from audit.json."""

from __future__ import annotations

from markupsafe import Markup

from ulna.evaluation.scores import Json
from ulna.report.audit_figure import waterfall_figure
from ulna.report.sections.folders import Included
from ulna.report.svg import to_svg


def content(included: Included) -> Json:
    """Return the content of audit.html.j2."""
    figure = waterfall_figure(included.result)
    label = f"Sources of the prototype’s accuracy ({included.name})"
    return {"a": included.result, "figure": Markup(to_svg(figure, label))}
