"""The examination of the heat maps, from examination.json and its picture."""

from __future__ import annotations

import base64

from ulna.bundle import MapExamination, map_verdict
from ulna.config.codec import from_json
from ulna.evaluation.scores import Json
from ulna.report.sections.folders import Included

MEASURES = {
    "pointing": "Pointing game",
    "precision": "Average precision of pixels",
    "deletion": "Deletion, lower is better",
    "insertion": "Insertion",
}


def content(included: Included) -> Json:
    """Return the content of examine.html.j2."""
    verdict = from_json(MapExamination, included.result["verdict"])
    return {
        "e": included.result,
        "verdict": verdict,
        "sentence": map_verdict(verdict).removeprefix("heat maps: "),
        "measures": MEASURES,
        "picture": _picture(included),
    }


def _picture(included: Included) -> str:
    """Return the picture as a data URI, '' where the folder has none."""
    for file in included.files:
        if file.suffix == ".png":
            return f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"
    return ""
