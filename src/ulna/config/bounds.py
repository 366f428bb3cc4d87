"""Types and bounds of settings, declared at each field and checked when settings are created.

A field is annotated like `Annotated[int, Bounds(1, 100)]`, and `check_fields` compares its value
with type and bounds, so that a mistake is an error at once and not after hours of training. The
documentation and the property tests read the same bounds.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
import numbers
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

from ulna.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Bounds:
    """A number from `low` to `high`; `above` and `below` exclude the lower and the upper end."""

    low: float
    high: float
    above: bool = False
    below: bool = False

    def holds(self, value: float) -> bool:
        """Whether the value lies within the bounds; NaN never does."""
        low = value > self.low if self.above else value >= self.low
        return low and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        if self.above and self.below:
            return f"between {self.low:.10g} and {self.high:.10g}, without these"
        start = "above" if self.above else "from"
        return f"{start} {self.low:.10g} to {'below ' if self.below else ''}{self.high:.10g}"


@dataclasses.dataclass(frozen=True)
class Distinct:
    """A tuple of at least `least` values without repetition."""

    least: int = 0


Share = Annotated[float, Bounds(0, 1)]
OpenShare = Annotated[float, Bounds(0, 1, above=True, below=True)]
Count = Annotated[int, Bounds(1, 1_000_000)]
CountOrZero = Annotated[int, Bounds(0, 1_000_000)]
Seed = Annotated[int, Bounds(0, 2**32 - 1)]
Minutes = Annotated[float, Bounds(0, 1_000_000)]


_RECORDED: ContextVar[bool] = ContextVar("recorded", default=False)


@contextmanager
def as_recorded() -> Iterator[None]:
    """Accept recipes unchecked within this context, as the records of finished runs.

    So a bundle stays usable even if a later version would refuse to train by its recipe.
    """
    before = _RECORDED.set(True)
    try:
        yield
    finally:
        _RECORDED.reset(before)


def recorded() -> bool:
    """Whether settings that are created now are the record of a finished run (`as_recorded`)."""
    return _RECORDED.get()


def check_fields(settings: Any, label: str = "") -> None:
    """Raise ConfigError unless every field of the dataclass has its type and keeps its bounds.

    label: name of these settings in error messages; by default the name of their class.
    """
    kind: type = type(settings)
    for name, hint in hints_of(kind).items():
        problem = _violation(hint, getattr(settings, name))
        if problem:
            raise ConfigError(f"{label or kind.__name__}: {name} {problem}")


@functools.cache
def hints_of(kind: Any) -> dict[str, Any]:
    """Return the type annotations of a dataclass's fields, with their bounds."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {f.name: hints[f.name] for f in dataclasses.fields(kind)}


def _violation(hint: Any, value: object) -> str:
    """Return what is wrong with the value, like '0.5: expected ...', or '' for nothing."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _violation(args[0], value) or _bound_violation(value, args[1], args[0])
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return ""
        return _violation(next(a for a in args if a is not type(None)), value)
    if origin is typing.Literal:
        known = isinstance(value, (str, int)) and value in args
        return "" if known else _expected(value, f"one of {_choices(hint)}")
    if origin is tuple:
        return _items_violation(args, value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _entries_violation(args, value)
    return _scalar_violation(hint, value)


def _scalar_violation(hint: Any, value: Any) -> str:
    if hint is float or hint is int:
        kind = numbers.Integral if hint is int else numbers.Real
        if isinstance(value, bool) or not isinstance(value, kind):
            return _expected(value, "a whole number" if hint is int else "a number")
        finite = hint is int or math.isfinite(value)
        return "" if finite else _expected(value, "a finite number")
    if not isinstance(hint, type) or isinstance(value, hint):
        return _forbidden_character(value)
    known = {"str": "text", "Path": "a path", "bool": "true or false"}.get(hint.__name__)
    return _expected(value, known or f"one of {_choices(hint) or hint.__name__}")


def _forbidden_character(value: object) -> str:
    """Text goes into JSON files and paths, which cannot hold null characters and surrogates."""
    if isinstance(value, (str, Path)):
        text = str(value)
        if "\0" in text or any(0xD800 <= ord(c) <= 0xDFFF for c in text):
            return _expected(value, "text without null characters and surrogates")
    return ""


def _items_violation(args: tuple[Any, ...], value: object) -> str:
    if not isinstance(value, tuple):
        return _expected(value, "a tuple")
    if args[-1] is Ellipsis:
        args = (args[0],) * len(value)
    if len(args) != len(value):
        return _expected(value, f"{len(args)} values")
    return next(filter(None, map(_violation, args, value)), "")


def _entries_violation(args: tuple[Any, ...], value: object) -> str:
    if not isinstance(value, Mapping):
        return _expected(value, "a mapping")
    problems = (_violation(args[0], k) or _violation(args[1], v) for k, v in value.items())
    return next(filter(None, problems), "")


def _bound_violation(value: Any, bound: object, hint: Any) -> str:
    if isinstance(bound, Bounds):
        return "" if bound.holds(value) else _expected(value, f"a number {bound}")
    if isinstance(bound, Distinct) and (len(value) < bound.least or len(set(value)) < len(value)):
        known = _choices(typing.get_args(hint)[0])
        some = f"some of {known}" if known else "values"
        least = f"at least {bound.least}, " if bound.least else ""
        return _expected(", ".join(map(str, value)) or "(none)", f"{some}: {least}each once")
    return ""


def _choices(hint: Any) -> str:
    """Return the values that an enum or a Literal allows; '' for other types."""
    if typing.get_origin(hint) is typing.Literal:
        return ", ".join(map(str, typing.get_args(hint)))
    named = isinstance(hint, type) and issubclass(hint, enum.Enum)
    return ", ".join(str(member.value) for member in hint) if named else ""


def _expected(value: object, expected: str) -> str:
    shown = value if isinstance(value, (int, float)) else repr(str(value))
    return f"{shown}: expected {expected}"
