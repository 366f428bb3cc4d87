"""Parse and validate one row of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ulna.datasets.table_boxes import BOX_FORMATS, BoxFault, parse_boxes
from ulna.dicom.body_part import parse_body_part
from ulna.dicom.other_regions import OTHER_REGIONS
from ulna.errors import ConfigError
from ulna.types import BodyPart, FindingCategory, ImageRef, Laterality

REQUIRED = ("path", "patient_id", "study_id", "body_part", "abnormal")
# Compared as whole words without regard to case, and numbers by value (1, 1.0, 1,0).
_TRUE = ("1", "true", "t", "yes", "y", "positive", "pos", "abnormal")
_FALSE = ("0", "false", "f", "no", "n", "negative", "neg", "normal")
_NO_LABEL = ("", "nan", "na", "n/a", "null")
_SIDES = {
    "": Laterality.UNKNOWN, "L": Laterality.LEFT, "LEFT": Laterality.LEFT,
    "R": Laterality.RIGHT, "RIGHT": Laterality.RIGHT,
}  # fmt: skip
_SHOWN = 80
_SPLITS = ("", "train", "valid", "test")


class RowFault(Exception):
    """Why a row cannot be used; the caller adds file and line and raises DatasetError."""


@dataclass(frozen=True)
class Row:
    """A row of a table; categories is None where the table has no findings for it.

    other_region is the table's name of a region other than the seven body parts, else ''.
    """

    line: int
    patient_id: str
    study_id: str
    body_part: BodyPart | None
    abnormal: bool | None
    split: str
    image: ImageRef
    categories: frozenset[FindingCategory] | None
    other_region: str

    @property
    def files(self) -> tuple[Path, ...]:
        """The image and, if it has one, its mask."""
        return (self.image.path,) if self.image.mask is None else (self.image.path, self.image.mask)


def parse_row(values: Mapping[str, str], line: int, find: Callable[[str], Path]) -> Row:
    """Parse the row on `line`; `find` resolves the files that cells name. Raises RowFault."""
    text = {k: v.strip() for k, v in values.items()}
    for name in ("path", "patient_id", "study_id"):
        if not text[name]:
            raise RowFault(f"{name} is empty")
    path = find(text["path"])
    categories = _categories(text["findings"]) if "findings" in text else None
    part, other = _body_part(text["body_part"])
    form = _choice("box_format", text.get("box_format", "").lower(), BOX_FORMATS)
    try:
        findings = parse_boxes(text.get("boxes", ""), form, path, categories)
    except BoxFault as fault:
        raise RowFault(str(fault)) from None
    return Row(
        line=line,
        patient_id=text["patient_id"],
        study_id=text["study_id"],
        body_part=part,
        abnormal=read_label(text["abnormal"], "abnormal"),
        split=_choice("split", text.get("split", "").lower(), {s: s for s in _SPLITS}),
        image=ImageRef(
            path=path,
            view=text.get("view", ""),
            laterality=_choice("laterality", text.get("laterality", "").upper(), _SIDES),
            findings=findings,
            mask=find(text["mask"]) if text.get("mask") else None,
        ),
        categories=categories,
        other_region=other,
    )


def read_label(text: str, column: str) -> bool | None:
    """Return a cell of `column` as True, False, or None for no label. Raises RowFault."""
    word = text.strip().lower()
    with suppress(ValueError):
        word = f"{float(word.replace(',', '.')):g}"
    if word in _NO_LABEL:
        return None
    if word not in (*_TRUE, *_FALSE):
        raise RowFault(
            f"{column} {text[:_SHOWN]!r}: expected 1 or 0, true or false, yes or no, positive or "
            "negative, abnormal or normal, or empty: no label"
        )
    return word in _TRUE


def _choice(name: str, text: str, known: Mapping[str, Any]) -> Any:
    if text not in known:
        names = ", ".join(k or "(empty)" for k in known)
        raise RowFault(f"{name} {text[:_SHOWN]!r}: expected one of {names}")
    return known[text]


def _body_part(text: str) -> tuple[BodyPart | None, str]:
    """Return the body part, or None and the table's name of a region other than the seven."""
    if not text:
        return None, ""
    if text.upper() in OTHER_REGIONS:
        return None, text.upper()
    named = parse_body_part(text.upper().removeprefix("XR_"))
    if named.part:
        return named.part, ""
    if named.other_anatomy:
        return None, named.other
    try:
        return BodyPart.parse(text), ""
    except ConfigError as error:
        raise RowFault(str(error)) from None


def _categories(text: str) -> frozenset[FindingCategory]:
    """Parse categories joined by ';', or by ',' or '|' where ';' separates the table's values."""
    names = text.replace(",", ";").replace("|", ";").split(";")
    return frozenset(_category(name) for name in names if name.strip())


def _category(name: str) -> FindingCategory:
    try:
        return FindingCategory(name.strip().lower())
    except ValueError:
        known = ", ".join(FindingCategory)
        raise RowFault(f"unknown finding {name.strip()!r}: expected some of {known}") from None
