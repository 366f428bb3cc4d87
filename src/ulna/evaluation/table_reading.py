"""Read predictions.csv into rows, so that its scores can be recomputed."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from ulna.errors import DatasetError
from ulna.evaluation.compare import MEAN
from ulna.evaluation.rows import Answer, ImageRow, Location, StudyRow
from ulna.evaluation.table import FINDING, FINDING_LABEL, FINDING_THRESHOLD
from ulna.types import BodyPart, Finding, FindingCategory, ImageRef, Subtlety

_NEEDED = {
    "study", "patient", "body_part_given", "study_probability", "image", "iou_chance", "refusal",
}  # fmt: skip
_GRID = np.zeros((1, 1), np.float32)
# Probabilities of exactly 0 or 1 have no logit; this is the largest that differs from 1 in doubles.
_LARGEST = 1 - 1e-16
Line = Mapping[str, str]


def read_predictions(file: Path) -> list[StudyRow]:
    """Return the rows that `write_predictions` wrote, without heat maps, shapes and boxes.

    Their scores equal those of the rows that were written. Raises DatasetError for a file that is
    missing, was written by an early version of Ulna that rounded, or is damaged, naming the study.
    """
    try:
        with file.open(encoding="utf-8", newline="") as handle:
            lines = list(csv.DictReader(handle))
    except FileNotFoundError:
        raise DatasetError(f"{file}: no such file: expected what `ulna evaluate` wrote") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{file}: not a CSV in UTF-8: {error}") from None
    missing = sorted(_NEEDED - set(lines[0] if lines else ()))
    if missing:
        raise DatasetError(
            f"{file}: no column {', '.join(missing)}: expected the table of this version's "
            "`ulna evaluate` or `ulna crossval`; evaluate again"
        )
    return [_row(file, key, list(own)) for key, own in groupby(lines, lambda r: r["study"])]


def _row(file: Path, key: str, lines: Sequence[Line]) -> StudyRow:
    try:
        return _study(key, lines)
    except (ValueError, TypeError, KeyError) as error:
        raise DatasetError(
            f"{file}: study {key}: {error}: expected cells as `ulna evaluate` writes them; "
            "use an unaltered copy or evaluate again"
        ) from None


def _study(key: str, lines: Sequence[Line]) -> StudyRow:
    head = lines[0]
    names = [c.removeprefix("study_") for c in head if c.startswith("study_")]
    names = [n for n in names if n not in ("probability", MEAN)]
    part = BodyPart(head["body_part"]) if head["body_part"] else None
    return StudyRow(
        key=key,
        patient_id=head["patient"],
        body_part=part if head["body_part_given"] == "1" else None,
        abnormal=_flag(head["abnormal"]),
        split=head["split"],
        subtlety=_subtlety(head["subtlety"]),
        categories=frozenset(FindingCategory(c) for c in head["categories"].split(";") if c),
        given=_given(head, part),
        recognised=_recognised(head),
        experts={n: float(head[f"study_{n}"]) for n in names if head[f"study_{n}"]},
        images=tuple(_image(line, names) for line in lines if line["image_probability"]),
        skipped=tuple((r["image"], r["error"]) for r in lines if r["image"] and r["error"]),
        fault=next((r["error"] for r in lines if not r["image"]), ""),
        finding_labels={
            c: bool(_flag(text)) for c, text in _by_category(head, FINDING_LABEL).items()
        },
    )


def _given(head: Line, part: BodyPart | None) -> Answer | None:
    if not head["study_probability"] or part is None:
        return None
    stated = _by_category(head, FINDING)
    return Answer(
        part,
        float(head["study_probability"]),
        bool(_flag(head["decision"])),
        float(head["threshold"]),
        _number(head["p_normal"]),
        _number(head["p_abnormal"]),
        {c: float(text) for c, text in stated.items()},
        {c: float(text) for c, text in _by_category(head, FINDING_THRESHOLD).items()},
        FindingCategory(head["leading_finding"]) if head.get("leading_finding") else None,
    )


def _by_category(head: Line, kind: str) -> dict[FindingCategory, str]:
    """Return the cells of `kind` that are not empty, by category."""
    cells = {c: head.get(f"{kind}_{c}") for c in FindingCategory}
    return {c: text for c, text in cells.items() if text}


def _recognised(head: Line) -> Answer | None:
    if not head["recognised_probability"]:
        return None
    probability, called = head["recognised_probability"], head["recognised_decision"]
    part = BodyPart(head["recognised_part"])
    return Answer(part, float(probability), bool(_flag(called)), float("nan"))


def _image(line: Line, names: Sequence[str]) -> ImageRow:
    subtlety = _subtlety(line["image_subtlety"])
    seen = line["image_recognised_part"]
    return ImageRow(
        ref=ImageRef(
            Path(line["image"]),
            line["view"],
            findings=(Finding((0, 0, 0, 0), subtlety=subtlety),) if subtlety else (),
        ),
        probability=float(line["image_probability"]),
        logit=float(line["image_logit"]),
        shape=(1, 1),
        grid=_GRID,
        experts={n: _logit(line[f"image_{n}"]) for n in names if line[f"image_{n}"]},
        recognised=BodyPart(seen) if seen else None,
        refusal=line["refusal"],
        location=_location(line),
        mask_error=line.get("mask_error") or "",  # tables of earlier versions lack it
    )


def _location(line: Line) -> Location | None:
    if not line["pointing_game"]:
        return None
    return Location(
        pointing=float(line["pointing_game"]),
        pointing_chance=float(line["pointing_game_chance"]),
        middle=float(line["pointing_game_middle"]),
        energy=float(line["energy_inside"]),
        energy_chance=float(line["energy_inside_chance"]),
        iou=float(line["iou"]),
        iou_chance=float(line["iou_chance"]),
    )


def _logit(text: str) -> float:
    p = min(max(float(text), 1e-300), _LARGEST)
    return float(np.log(p) - np.log1p(-p))


def _subtlety(text: str) -> Subtlety | None:
    return Subtlety(text) if text else None


def _number(text: str) -> float | None:
    return float(text) if text else None


def _flag(text: str) -> bool | None:
    if text not in ("", "0", "1"):
        raise ValueError(f"flag {text!r}: expected 0, 1 or nothing")
    return None if text == "" else text == "1"
