"""What each setting may be, written beside its field and checked when the settings are made.

A field says `Annotated[int, Bounds(1, 100)]`; `check_fields` holds the value against the type and
the bounds, so that a mistake is an error at once and not after hours of work. Documentation and
the property tests read the same bounds.
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
    """A number from `low` to `high`; `above`, `below`: without that end itself."""

    low: float
    high: float
    above: bool = False
    below: bool = False

    def holds(self, value: float) -> bool:
        """Whether the value lies within; not-a-number never does."""
        low = value > self.low if self.above else value >= self.low
        return low and (value < self.high if self.below else value <= self.high)

    def __str__(self) -> str:
        if self.above and self.below:
            return f"between {self.low:.10g} and {self.high:.10g}, without these"
        start = "above" if self.above else "from"
        return f"{start} {self.low:.10g} to {'below ' if self.below else ''}{self.high:.10g}"


@dataclasses.dataclass(frozen=True)
class Distinct:
    """A tuple of at least `least` values, each once."""

    least: int = 0


Share = Annotated[float, Bounds(0, 1)]
OpenShare = Annotated[float, Bounds(0, 1, above=True, below=True)]
Count = Annotated[int, Bounds(1, 1_000_000)]
CountOrNone = Annotated[int, Bounds(0, 1_000_000)]
Seed = Annotated[int, Bounds(0, 2**32 - 1)]
Minutes = Annotated[float, Bounds(0, 1_000_000)]


_RECORDED: ContextVar[bool] = ContextVar("recorded", default=False)


@contextmanager
def as_recorded() -> Iterator[None]:
    """Within, recipes are the record of runs that are over, and taken as they were.

    A bundle stays usable when a later version would refuse to train by its recipe.
    """
    before = _RECORDED.set(True)
    try:
        yield
    finally:
        _RECORDED.reset(before)


def recorded() -> bool:
    """Whether settings that are made now are only the record of a run."""
    return _RECORDED.get()


def check_fields(settings: Any, what: str = "") -> None:
    """Raise ConfigError unless every field of the dataclass has its type and keeps its bounds.

    what: how errors call these settings; without it by the name of their class.
    """
    kind: type = type(settings)
    for name, hint in hints_of(kind).items():
        fault = _fault(hint, getattr(settings, name))
        if fault:
            raise ConfigError(f"{what or type(settings).__name__}: {name} {fault}")


@functools.cache
def hints_of(kind: Any) -> dict[str, Any]:
    """The types of a dataclass's fields with the bounds that stand beside them."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {f.name: hints[f.name] for f in dataclasses.fields(kind)}


def _fault(hint: Any, value: object) -> str:
    """What is wrong with the value: '0.5: expected ...'; '' for nothing."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _fault(args[0], value) or _outside(value, args[1], args[0])
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return ""
        return _fault(next(a for a in args if a is not type(None)), value)
    if origin is typing.Literal:
        known = isinstance(value, (str, int)) and value in args
        return "" if known else _expected(value, f"one of {_choices(hint)}")
    if origin is tuple:
        return _fault_of_items(args, value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _fault_of_entries(args, value)
    return _fault_of_one(hint, value)


def _fault_of_one(hint: Any, value: Any) -> str:
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
    """Text goes into JSON files and paths, which hold neither a null nor half a character."""
    if isinstance(value, (str, Path)):
        text = str(value)
        if "\0" in text or any(0xD800 <= ord(c) <= 0xDFFF for c in text):
            return _expected(value, "text without null characters and surrogates")
    return ""


def _fault_of_items(args: tuple[Any, ...], value: object) -> str:
    if not isinstance(value, tuple):
        return _expected(value, "a tuple")
    if args[-1] is Ellipsis:
        args = (args[0],) * len(value)
    if len(args) != len(value):
        return _expected(value, f"{len(args)} values")
    return next(filter(None, map(_fault, args, value)), "")


def _fault_of_entries(args: tuple[Any, ...], value: object) -> str:
    if not isinstance(value, Mapping):
        return _expected(value, "a mapping")
    faults = (_fault(args[0], k) or _fault(args[1], v) for k, v in value.items())
    return next(filter(None, faults), "")


def _outside(value: Any, bound: object, hint: Any) -> str:
    if isinstance(bound, Bounds):
        return "" if bound.holds(value) else _expected(value, f"a number {bound}")
    if isinstance(bound, Distinct) and (len(value) < bound.least or len(set(value)) < len(value)):
        known = _choices(typing.get_args(hint)[0])
        some = f"some of {known}" if known else "values"
        least = f"at least {bound.least}, " if bound.least else ""
        return _expected(", ".join(map(str, value)) or "(none)", f"{some}: {least}each once")
    return ""


def _choices(hint: Any) -> str:
    """The values that an enum or a Literal allows; '' for other types."""
    if typing.get_origin(hint) is typing.Literal:
        return ", ".join(map(str, typing.get_args(hint)))
    named = isinstance(hint, type) and issubclass(hint, enum.Enum)
    return ", ".join(str(member.value) for member in hint) if named else ""


def _expected(value: object, expected: str) -> str:
    shown = value if isinstance(value, (int, float)) else repr(str(value))
    return f"{shown}: expected {expected}"
