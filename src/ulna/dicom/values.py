"""Numbers and text of header elements, whatever VR they were written with."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import pydicom

# PS3.5 6.2 DS, with the decimal comma of some writers' locale and the unit of others behind it.
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?)\s*[^\W\d_]*[%°]?")


def parse_number(text: str) -> float | None:
    """The number in a text, None if it is none; a decimal comma and a unit are understood."""
    text = text.strip("\0 \r\n\t'\"")
    comma, point = text.rfind(","), text.rfind(".")
    if comma > point:  # the last of both marks the decimals
        text = text.replace(".", "").replace(",", ".") if text.count(",") == 1 else ""
    elif comma >= 0:
        text = text.replace(",", "")
    result = _NUMBER.fullmatch(text)
    value = float(re.sub("[dD]", "e", result[1])) if result else math.nan
    return value if math.isfinite(value) else None


def numbers(dataset: pydicom.Dataset, keyword: str) -> tuple[float | None, ...]:
    """The values of an element, None for each that is no finite number; () where it is empty.

    A text is split at backslashes (PS3.5 6.4), never into its characters; at semicolons too, and
    at commas within brackets, as lists look that a program wrote out.
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
    """The first value, None where it is missing or no finite number."""
    return next(iter(numbers(dataset, keyword)), None)


def integer(dataset: pydicom.Dataset, keyword: str) -> int | None:
    """The first value as a whole number, None where it is missing or no such number."""
    value = number(dataset, keyword)
    return int(value) if value is not None and value == round(value) else None


def pair(dataset: pydicom.Dataset, keyword: str) -> tuple[float, float] | None:
    """Two positive numbers, such as a spacing; also where a comma, blank or x stands between."""
    value: Any = dataset.get(keyword)
    result = numbers(dataset, keyword)
    if isinstance(value, str) and len(result) == 1:
        result = tuple(
            parse_number(p) for p in re.split(r"[;/xX×\s]+|,(?=\s*\d*\.)", value.strip())
        )
    if len(result) != 2 or result[0] is None or result[1] is None or min(result[0], result[1]) <= 0:
        return None
    return result[0], result[1]


def text(dataset: pydicom.Dataset, keyword: str) -> str:
    """The text of an element as one string, without padding; "" where it is missing."""
    value: Any = dataset.get(keyword)
    if value is None:
        return ""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if not isinstance(value, str) and isinstance(value, Iterable):
        value = "\\".join(str(v) for v in value)
    return str(value).strip("\0 \r\n\t")


def items(dataset: pydicom.Dataset, keyword: str) -> tuple[pydicom.Dataset, ...]:
    """The items of a sequence, () where it is missing or written as something else."""
    value: Any = dataset.get(keyword)
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        return ()
    return tuple(item for item in value if isinstance(item, pydicom.Dataset))


def is_empty(dataset: pydicom.Dataset, keyword: str) -> bool:
    """Whether an element is missing or holds nothing."""
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
        result = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None
