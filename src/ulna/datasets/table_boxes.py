"""Parse the cell of a table that contains boxes, in pixels or as shares of the image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from ulna.errors import ImageError
from ulna.imaging.read import read_radiograph
from ulna.json_text import parse_json
from ulna.types import Finding, FindingCategory

BoxFormat = Literal["xywh", "xyxy", "yolo"]
BOX_FORMATS: dict[str, BoxFormat] = {"": "xywh", "xywh": "xywh", "xyxy": "xyxy", "yolo": "yolo"}
"""Values of the column `box_format`. xywh is x, y, width, height and xyxy left, top, right, bottom,
both in pixels of the file. yolo is centre, width and height as shares of the image, with or without
a class before them."""

_EXPECTED = {
    "xywh": "[x, y, width, height] in pixels, width and height over 0",
    "xyxy": "[left, top, right, bottom] in pixels, right and bottom the larger",
    "yolo": "[x, y, width, height] of centre and size as shares of the image, from 0 to 1, with "
    "or without an integer class before them",
}
_FARTHEST = 1e9
_SHOWN = 80


class BoxFault(Exception):
    """Why a cell's boxes cannot be used; the reader adds file and line."""


def parse_boxes(
    text: str, form: BoxFormat, image: Path, categories: frozenset[FindingCategory] | None
) -> tuple[Finding, ...]:
    """Return boxes as findings, in pixels; a box without a category gets the row's only one.

    `image` is read only for boxes as shares, which need its size. Raises BoxFault for text that is
    not boxes or is in another format than `form`, such as shares for pixels or decimal commas.
    """
    if not text:
        return ()
    boxes = _json(text, form)
    only = next(iter(categories)) if categories and len(categories) == 1 else None
    named = [_category(b, only) for b in boxes]
    numbers = [_numbers(b, form) for b in boxes]
    size = _size(image) if form == "yolo" and numbers else (1, 1)
    made = [_pixels(n, form, size) for n in numbers]
    return tuple(Finding(b, c) for b, c in zip(made, named, strict=True))


def _json(text: str, form: BoxFormat) -> list[Any]:
    lines = [line.split() for line in text.replace(";", "\n").splitlines() if line.strip()]
    if form == "yolo" and all(all(map(_is_number, line)) for line in lines):
        return [[float(v) for v in line] for line in lines]  # the lines of a label file
    try:
        boxes = parse_json(text)
    except ValueError as error:  # ValueError: also numbers of 4300 digits
        raise BoxFault(f"boxes {text[:_SHOWN]!r}: not JSON: {error}") from None
    if not isinstance(boxes, list):
        raise BoxFault(f"boxes {text[:_SHOWN]!r}: expected a JSON list")
    return boxes


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < _FARTHEST
    except ValueError:
        return False


def _category(value: Any, only: FindingCategory | None) -> FindingCategory | None:
    named = value.get("category") if isinstance(value, dict) else None
    if not named:
        return only
    try:
        return FindingCategory(str(named).strip().lower())
    except ValueError:
        known = ", ".join(FindingCategory)
        raise BoxFault(
            f"unknown finding {str(named)[:_SHOWN]!r}: expected some of {known}"
        ) from None


def _numbers(value: Any, form: BoxFormat) -> list[float]:
    """Return the four numbers of a box in the format `form`. Raises BoxFault."""
    box = value.get("box") if isinstance(value, dict) else value
    fault = f"box {str(box)[:_SHOWN]}: expected {_EXPECTED[form]}"
    if not isinstance(box, list) or not all(map(_is_place, box)):
        raise BoxFault(fault)
    if form == "yolo" and len(box) == 5 and float(box[0]).is_integer():
        box = box[1:]
    if len(box) != 4:
        raise BoxFault(fault + _why_not_four(box))
    numbers = [float(v) for v in box]
    if form == "yolo":
        right = min(numbers) >= 0 and max(numbers) <= 1 and min(numbers[2:]) > 0
    elif form == "xyxy":
        right = numbers[2] > numbers[0] and numbers[3] > numbers[1]
    else:
        right = min(numbers[2:]) > 0
    if not right:
        raise BoxFault(fault)
    if form != "yolo" and min(numbers) >= 0 and max(numbers) <= 1:
        raise BoxFault(
            f"{fault}: a box within one pixel is most likely in shares of the image: write yolo in "
            "a column box_format, or multiply the numbers by the image's width and height"
        )
    return numbers


def _is_place(value: Any) -> bool:
    # Larger integers are no pixel coordinates and may not fit a float.
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) < _FARTHEST


def _why_not_four(box: Sequence[float]) -> str:
    if len(box) == 5 and max(box[1:]) <= 1:
        return "; a class and four shares are read with yolo in a column box_format"
    if len(box) > 4:
        return f", not {len(box)} numbers; write a point, not a comma, before decimals"
    return ""


def _size(image: Path) -> tuple[int, int]:
    """Return (H, W) of the image."""
    try:
        height, width = read_radiograph(image).pixels.shape
    except ImageError as error:
        raise BoxFault(f"boxes as shares of an image that cannot be read: {error}") from None
    return height, width


def _pixels(
    numbers: Sequence[float], form: BoxFormat, size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Return (x, y, width, height) in pixels."""
    a, b, c, d = numbers
    if form == "xyxy":
        return a, b, c - a, d - b
    if form == "yolo":
        height, width = size
        return (a - c / 2) * width, (b - d / 2) * height, c * width, d * height
    return a, b, c, d
