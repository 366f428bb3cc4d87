"""Lenient access to numbers and text of header elements, whatever VR they were written with."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import pydicom

# DS of PS3.5 6.2, also with a decimal comma (locale of the writer) and with a unit.
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?)\s*[^\W\d_]*[%°]?")


def parse_number(text: str) -> float | None:
    """Parse a number, possibly with a decimal comma and a unit; None if it is not a number."""
    text = text.strip("\0 \r\n\t'\"")
    comma, point = text.rfind(","), text.rfind(".")
    if comma > point:  # the last of the two is the decimal mark
        text = text.replace(".", "").replace(",", ".") if text.count(",") == 1 else ""
    elif comma >= 0:
        text = text.replace(",", "")
    match = _NUMBER.fullmatch(text)
    value = float(re.sub("[dD]", "e", match[1])) if match else math.nan
    return value if math.isfinite(value) else None


def numbers(dataset: pydicom.Dataset, keyword: str) -> tuple[float | None, ...]:
    """Return the values of an element, None for each that is not a finite number; () if empty.

    Text is split at backslashes (PS3.5 6.4) and semicolons, and at commas within brackets, as in
    lists that a program printed.
    """
    value: Any = dataset.get(keyword)
    if value is None:
        return ()
    if isinstance(value, bytes):
        value = value.decode("latin-1").strip("\0 ")
    if isinstance(value, str):
        return tuple(map(parse_number, _parts(value))) if value.strip() else ()
    several = list(value) if isinstance(value, Iterable) else [value]
    return tuple(_number(v) for v in several)


def number(dataset: pydicom.Dataset, keyword: str) -> float | None:
    """Return the first value, None if it is missing or not a finite number."""
    return next(iter(numbers(dataset, keyword)), None)


def integer(dataset: pydicom.Dataset, keyword: str) -> int | None:
    """Return the first value as an integer, None if it is missing or not an integer."""
    value = number(dataset, keyword)
    return int(value) if value is not None and value == round(value) else None


def pair(dataset: pydicom.Dataset, keyword: str) -> tuple[float, float] | None:
    """Return two positive numbers, such as a spacing; also separated by a comma, blank or x."""
    value: Any = dataset.get(keyword)
    found = numbers(dataset, keyword)
    if isinstance(value, str) and len(found) == 1:
        parts = re.split(r"[;/xX×\s]+|,(?=\s*\d*\.)", value.strip())
        found = tuple(map(parse_number, parts))
    if len(found) != 2 or found[0] is None or found[1] is None or min(found[0], found[1]) <= 0:
        return None
    return found[0], found[1]


def text(dataset: pydicom.Dataset, keyword: str) -> str:
    """Return the text of an element as one string without padding, "" if it is missing."""
    value: Any = dataset.get(keyword)
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str) and isinstance(value, Iterable):
        value = "\\".join(str(v) for v in value)
    return str(value).strip("\0 \r\n\t")


def items(dataset: pydicom.Dataset, keyword: str) -> tuple[pydicom.Dataset, ...]:
    """Return the items of a sequence, () if it is missing or not a sequence."""
    value: Any = dataset.get(keyword)
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        return ()
    return tuple(item for item in value if isinstance(item, pydicom.Dataset))


def is_empty(dataset: pydicom.Dataset, keyword: str) -> bool:
    """Whether an element is missing or has an empty value."""
    return not text(dataset, keyword)


def _parts(text: str) -> list[str]:
    text = text.strip("\0 \r\n\t")
    if text[:1] + text[-1:] in ("[]", "()"):
        return re.split(r"[\\;,]", text[1:-1])
    return re.split(r"[\\;]", text)


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return parse_number(value)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
