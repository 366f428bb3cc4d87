"""One row of a table, checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ulna.errors import ConfigError
from ulna.types import OTHER_REGIONS, BodyPart, Finding, FindingCategory, ImageRef, Laterality

REQUIRED = ("path", "patient_id", "study_id", "body_part", "abnormal")
_TRUTH: dict[str, bool | None] = {
    "": None, "1": True, "true": True, "1.0": True, "0": False, "false": False, "0.0": False,
}  # fmt: skip
_SIDES = {
    "": Laterality.UNKNOWN, "L": Laterality.LEFT, "LEFT": Laterality.LEFT,
    "R": Laterality.RIGHT, "RIGHT": Laterality.RIGHT,
}  # fmt: skip
_FARTHEST = 1e9
_SHOWN = 80
_SPLITS = ("", "train", "valid", "test")


class RowFault(Exception):
    """Why a row cannot be used; the reader adds file and line and raises DatasetError."""


@dataclass(frozen=True)
class Row:
    """A row of a table; categories None where the table has no findings for it."""

    line: int
    patient_id: str
    study_id: str
    body_part: BodyPart | None
    abnormal: bool | None
    split: str
    image: ImageRef
    categories: frozenset[FindingCategory] | None

    @property
    def files(self) -> tuple[Path, ...]:
        """The image and, where given, its mask."""
        return (self.image.path,) if self.image.mask is None else (self.image.path, self.image.mask)


def parse_row(values: Mapping[str, str], line: int, folder: Path) -> Row:
    """The row on `line`; relative paths are in `folder`. Raises RowFault."""
    text = {k: v.strip() for k, v in values.items()}
    for name in ("path", "patient_id", "study_id"):
        if not text[name]:
            raise RowFault(f"{name} is empty")
    categories = _categories(text["findings"]) if "findings" in text else None
    return Row(
        line=line,
        patient_id=text["patient_id"],
        study_id=text["study_id"],
        body_part=_body_part(text["body_part"]),
        abnormal=_choice("abnormal", text["abnormal"].lower(), _TRUTH),
        split=_choice("split", text.get("split", "").lower(), {s: s for s in _SPLITS}),
        image=ImageRef(
            path=folder / text["path"],
            view=text.get("view", ""),
            laterality=_choice("laterality", text.get("laterality", "").upper(), _SIDES),
            findings=_findings(text.get("boxes", ""), categories),
            mask=folder / text["mask"] if text.get("mask") else None,
        ),
        categories=categories,
    )


def _choice(name: str, text: str, known: Mapping[str, Any]) -> Any:
    if text not in known:
        names = ", ".join(k or "(empty)" for k in known)
        raise RowFault(f"{name} {text!r}: expected one of {names}")
    return known[text]


def _body_part(text: str) -> BodyPart | None:
    if text.upper() in OTHER_REGIONS:
        return None
    try:
        return BodyPart.parse(text) if text else None
    except ConfigError as error:
        raise RowFault(str(error)) from None


def _categories(text: str) -> frozenset[FindingCategory]:
    return frozenset(_category(name) for name in text.split(";") if name.strip())


def _category(name: str) -> FindingCategory:
    try:
        return FindingCategory(name.strip().lower())
    except ValueError:
        known = ", ".join(FindingCategory)
        raise RowFault(f"unknown finding {name.strip()!r}: expected some of {known}") from None


def _findings(text: str, categories: frozenset[FindingCategory] | None) -> tuple[Finding, ...]:
    """Boxes as findings; a box without its own category takes the row's only one."""
    if not text:
        return ()
    try:
        boxes = json.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also numbers of 4300 digits
        raise RowFault(f"boxes {text[:_SHOWN]!r}: not JSON: {error}") from None
    if not isinstance(boxes, list):
        raise RowFault(f"boxes {text[:_SHOWN]!r}: expected a JSON list")
    only = next(iter(categories)) if categories and len(categories) == 1 else None
    return tuple(_finding(b, only) for b in boxes)


def _finding(value: Any, only: FindingCategory | None) -> Finding:
    category = only
    if isinstance(value, dict):
        named = value.get("category")
        category = _category(str(named)) if named else only
        value = value.get("box")
    numbers = isinstance(value, list) and all(
        # No whole number of more digits is a pixel's place, nor does it fit a float.
        isinstance(v, (int, float)) and not isinstance(v, bool) and abs(v) < _FARTHEST
        for v in value
    )
    if not numbers or len(value) != 4 or min(value[2:]) <= 0:
        raise RowFault(
            f"box {str(value)[:_SHOWN]}: expected [x, y, width, height] in pixels, width and "
            "height over 0"
        )
    x, y, width, height = (float(v) for v in value)
    return Finding((x, y, width, height), category)
