"""The columns of a table of predictions: one row for each image, with its study's prediction."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ulna.errors import UlnaError
from ulna.runtime.findings import called_findings
from ulna.runtime.stream import Answered
from ulna.types import FindingCategory, ImagePrediction, Study, StudyPrediction


@dataclass(frozen=True)
class Column:
    """kind: text, number (float64), or flag (1 or 0 in CSV, boolean in Parquet)."""

    name: str
    kind: Literal["text", "number", "flag"]
    meaning: str


def _plain(category: FindingCategory) -> str:
    return category.replace("_", " ")


# Names are those of `predictions.csv` of `ulna evaluate` where it has the same value.
COLUMNS = (
    Column("study", "text", "the study's key: `PART/patient/study`; the part may be `UNKNOWN`"),
    Column("patient", "text", "patient ID"),
    Column("body_part", "text", "whose heads answered; without a prediction, that of the data"),
    Column("body_part_given", "flag", "whether it is from the data, not predicted"),
    Column("study_probability", "number", "calibrated, in [0, 1]"),
    Column("threshold", "number", "of the operating point, for the body part"),
    Column("decision", "flag", "abnormal: probability not below the threshold"),
    Column("confidence", "text", "`certain`, `doubtful` or `none`"),
    Column("p_normal", "number", "conformal p-value of the label normal"),
    Column("p_abnormal", "number", "conformal p-value of the label abnormal"),
    Column("triage", "text", "`abnormal`, `refer` or `normal` at the error rate"),
    Column("study_refusal", "text", "why all images of the study are refused"),
    Column("flags", "text", "warnings on the prediction, separated by `; `"),
    Column("skipped_experts", "text", "not run by a cascade, separated by `; `"),
    Column("abnormal_means", "text", "what the bundle's label abnormal stands for"),
    Column("leading_finding", "text", "most probable category of a study called abnormal"),
    Column("called_findings", "text", "at or above their thresholds, separated by `; `"),
    *(Column(f"finding_{c}", "number", f"calibrated, of {_plain(c)}") for c in FindingCategory),
    Column("image", "text", "path, as listed"),
    Column("view", "text", "view position, if the data contain it"),
    Column("image_probability", "number", "calibrated, in [0, 1]"),
    Column("image_logit", "number", "logit of that probability"),
    Column("image_recognised_part", "text", "body part predicted from the pixels"),
    Column("image_called_findings", "text", "as `called_findings`, of this image"),
    *(Column(f"image_finding_{c}", "number", "of this image") for c in FindingCategory),
    Column(
        "out_of_distribution",
        "text",
        "`known`, `near` (as from another hospital) or `far` (not an upper extremity)",
    ),
    Column("probability_low", "number", "lower end of the interval, of a `near` image"),
    Column("probability_high", "number", "upper end of the interval, of a `near` image"),
    Column("ood_distance", "number", "Mahalanobis distance of the features divided by its limit"),
    Column("outlier_score", "number", "0 for the median in-distribution image, refused above 1"),
    Column("inverted", "flag", "whether its polarity was corrected"),
    Column("refusal", "text", "why this image is refused"),
    Column("error", "text", "why there is no prediction for this image"),
    Column("operating_point", "text", "whose threshold decides"),
    Column("error_rate", "number", "of the triage"),
    Column("bundle", "text", "hash of the bundle that answered"),
)

Cells = dict[str, str]
_LONGEST = 1000


@dataclass(frozen=True)
class Stamp:
    """The values that all rows of a table share."""

    operating_point: str
    error_rate: float
    bundle: str

    def cells(self) -> Cells:
        """Return the cells of the last columns."""
        rate = _number(self.error_rate)
        return {
            "operating_point": self.operating_point, "error_rate": rate, "bundle": self.bundle
        }  # fmt: skip


def rows_of(answered: Answered, stamp: Stamp) -> list[Cells]:
    """Return a row for each image of the study, in order; missing cells are empty.

    `error` states why an image, or in each row why a study, has no prediction.
    """
    study, answer = answered
    if isinstance(answer, UlnaError):
        fault = {"error": _one_line(str(answer))}
        return [_listed(study, k) | fault | stamp.cells() for k in range(len(study.images))]
    head = _study_cells(answer, stamp.error_rate) | stamp.cells()
    images, skipped = deque(answer.images), deque(answer.skipped)
    rows = []
    for k, ref in enumerate(study.images):
        if images and images[0].source == str(ref.path):
            cells = _image_cells(images.popleft(), answer.finding_thresholds)
        else:
            cells = {"error": _one_line(skipped.popleft()[1])}
        rows.append(_listed(study, k) | head | cells)
    return rows


def _listed(study: Study, place: int) -> Cells:
    """The cells that are known before an image is read."""
    ref = study.images[place]
    return {
        "study": study.key,
        "patient": study.patient_id,
        "body_part": study.body_part.value if study.body_part else "",
        "body_part_given": _flag(study.body_part is not None),
        "image": str(ref.path),
        "view": ref.view,
    }


def _study_cells(answer: StudyPrediction, error_rate: float) -> Cells:
    """The cells of a study; a refused one has a body part, reason and triage, but no numbers."""
    refused = bool(answer.refused)
    stated = {} if refused else answer.finding_probabilities
    return {
        "body_part": answer.body_part.value,
        "body_part_given": _flag(answer.body_part_given),
        "study_probability": "" if refused else _number(answer.probability),
        "threshold": _number(answer.threshold),
        "decision": "" if refused else _flag(answer.abnormal),
        "confidence": answer.confidence or "",
        "p_normal": _number(answer.p_normal),
        "p_abnormal": _number(answer.p_abnormal),
        "triage": answer.triage(error_rate) or "",
        "study_refusal": _one_line(answer.refused),
        "flags": _one_line("; ".join(answer.flags)),
        "skipped_experts": "; ".join(answer.skipped_experts),
        "abnormal_means": answer.abnormal_means,
        "leading_finding": answer.leading_finding or "",
        **_finding_cells("", stated, answer.finding_thresholds),
    }


def _finding_cells(
    level: str, stated: Mapping[FindingCategory, float], thresholds: Mapping[FindingCategory, float]
) -> Cells:
    """The cells of findings; empty if not calibrated. level: '' for the study, or 'image_'."""
    known = {c: p for c, p in stated.items() if c in thresholds}
    return {
        f"{level}called_findings": "; ".join(called_findings(known, thresholds)),
        **{f"{level}finding_{c}": _number(p) for c, p in known.items()},
    }


def _image_cells(image: ImagePrediction, thresholds: Mapping[FindingCategory, float]) -> Cells:
    shares = image.body_part_probabilities
    stated = {} if image.refusal else image.finding_probabilities
    return {
        **_finding_cells("image_", stated, thresholds),
        "image_probability": "" if image.refusal else _number(image.probability),
        "image_logit": "" if image.refusal else _number(image.logit),
        "image_recognised_part": max(shares, key=lambda p: shares[p]).value,
        "out_of_distribution": image.out_of_distribution,
        "probability_low": _number(image.interval[0] if image.interval else None),
        "probability_high": _number(image.interval[1] if image.interval else None),
        "ood_distance": _number(image.ood_distance),
        "outlier_score": _number(image.outlier_score),
        "inverted": _flag(image.inverted),
        "refusal": _one_line(image.refusal),
    }


def _number(value: float | None) -> str:
    """Format a number so that it reads back as the same float64."""
    return "" if value is None else repr(float(value))


def _flag(value: bool) -> str:
    return str(int(value))


def _one_line(text: str) -> str:
    """Join lines and truncate to _LONGEST characters: 1,000 views may have 1,000 reasons."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
