"""Write predictions.csv, with one row for each image that repeats its study's answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ulna.atomic_file import csv_bytes, write_atomic
from ulna.evaluation.compare import MEAN, expert_names
from ulna.evaluation.rows import Answer, ImageRow, StudyRow
from ulna.metrics.logistic import sigmoid
from ulna.types import FindingCategory

# Prefixes of a category's columns: its probability, its threshold and its label.
FINDING, FINDING_THRESHOLD, FINDING_LABEL = "finding", "finding_threshold", "finding_label"

_STUDY = (
    "study", "patient", "body_part", "body_part_given", "split", "abnormal", "study_probability",
    "threshold", "decision", "p_normal", "p_abnormal", "recognised_part", "recognised_probability",
    "recognised_decision", "categories", "subtlety",
)  # fmt: skip
_IMAGE = (
    "image", "view", "image_probability", "image_logit", "image_recognised_part",
    "image_subtlety", "pointing_game", "pointing_game_chance", "pointing_game_middle",
    "energy_inside", "energy_inside_chance", "iou", "iou_chance", "refusal", "error", "mask_error",
)  # fmt: skip


def write_predictions(rows: Sequence[StudyRow], out: Path) -> None:
    """Write one row for each image, also for unreadable ones (the reason is in `error`).

    The last columns, `study_<expert>` and `image_<expert>`, are uncalibrated probabilities of
    single experts. Empty cells are unknown or do not apply. `read_predictions` reads the table.
    Bytes of a file's name that are not UTF-8 appear as `\\udcXX`.
    """
    names = expert_names(rows)
    findings = finding_columns(rows)
    columns = [*_STUDY, *findings, *_IMAGE]
    columns += [f"{level}_{n}" for n in (*names, MEAN) if names for level in ("study", "image")]
    lines = (line for row in rows for line in _lines(row, names, bool(findings)))
    write_atomic(out, csv_bytes(columns, lines))


def finding_columns(rows: Sequence[StudyRow]) -> list[str]:
    """Return the names of the columns of findings, empty where no answer has finding probabilities.

    They are `leading_finding`, probability and threshold of each category that some answer has,
    and labels of all categories, since a study may show one that the bundle does not know.
    """
    given = [r.given for r in rows if r.given is not None]
    named = [c for c in FindingCategory if any(c in a.findings for a in given)]
    labelled = [c for c in FindingCategory if any(c in r.finding_labels for r in rows)]
    stated = [f"{kind}_{c}" for c in named for kind in (FINDING, FINDING_THRESHOLD)]
    labels = [f"{FINDING_LABEL}_{c}" for c in labelled]
    return ["leading_finding", *stated, *labels] if named else []


def _lines(row: StudyRow, names: Sequence[str], findings: bool) -> Iterator[dict[str, str]]:
    """Yield the lines of a study, with the cells of `finding_columns` if `findings`."""
    head = _study_cells(row) | (_finding_cells(row, row.given) if findings and row.given else {})
    head |= {f"study_{n}": _text(row.experts.get(n)) for n in names}
    if names and row.images:
        head[f"study_{MEAN}"] = _text(row.mean_of_experts)
    for image in row.images:
        yield head | _image_cells(image, names)
    for path, reason in row.skipped:
        yield head | {"image": path, "error": reason}
    if row.fault:
        yield head | {"error": row.fault}


def _study_cells(row: StudyRow) -> dict[str, str]:
    cells = {
        "study": row.key,
        "patient": row.patient_id,
        "body_part": row.part.value if row.part else "",
        "body_part_given": _flag(row.body_part is not None),
        "split": row.split,
        "abnormal": _flag(row.abnormal),
        "categories": ";".join(sorted(c.value for c in row.categories)),
        "subtlety": row.subtlety.value if row.subtlety else "",
    }
    if row.given is not None:
        cells |= {
            "study_probability": _text(row.given.probability),
            "threshold": _text(row.given.threshold),
            "decision": _flag(row.given.abnormal),
            "p_normal": _text(row.given.p_normal),
            "p_abnormal": _text(row.given.p_abnormal),
        }
    if row.recognised is not None:
        cells |= {
            "recognised_part": row.recognised.body_part.value,
            "recognised_probability": _text(row.recognised.probability),
            "recognised_decision": _flag(row.recognised.abnormal),
        }
    return cells


def _finding_cells(row: StudyRow, given: Answer) -> dict[str, str]:
    cells = {"leading_finding": given.leading_finding or ""}
    for c, probability in given.findings.items():
        cells[f"{FINDING}_{c}"] = _text(probability)
        cells[f"{FINDING_THRESHOLD}_{c}"] = _text(given.finding_thresholds[c])
    return cells | {f"{FINDING_LABEL}_{c}": _flag(v) for c, v in row.finding_labels.items()}


def _image_cells(image: ImageRow, names: Sequence[str]) -> dict[str, str]:
    cells = {
        "image": str(image.ref.path),
        "view": image.ref.view,
        "image_probability": _text(image.probability),
        "image_logit": _text(image.logit),
        "image_recognised_part": image.recognised.value if image.recognised else "",
        "image_subtlety": image.subtlety.value if image.subtlety else "",
        "refusal": image.refusal,
        "mask_error": image.mask_error,
    }
    if image.location is not None:
        place = image.location
        cells |= {
            "pointing_game": _text(place.pointing),
            "pointing_game_chance": _text(place.pointing_chance),
            "pointing_game_middle": _text(place.middle),
            "energy_inside": _text(place.energy),
            "energy_inside_chance": _text(place.energy_chance),
            "iou": _text(place.iou),
            "iou_chance": _text(place.iou_chance),
        }
    logits = [image.experts[n] for n in names if n in image.experts]
    cells |= {f"image_{n}": _probability(image.experts.get(n)) for n in names}
    if logits:
        cells[f"image_{MEAN}"] = _probability(sum(logits) / len(logits))
    return cells


def _probability(logit: float | None) -> str:
    return "" if logit is None else _text(float(sigmoid(logit)))


def _text(value: float | None) -> str:
    """Return every digit, so that the scores can be recomputed from the table."""
    return "" if value is None else repr(float(value))


def _flag(value: bool | None) -> str:
    return "" if value is None else str(int(value))
