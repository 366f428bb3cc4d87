"""Frozen dataclasses to JSON and back; unknown keys and wrong types are errors."""

from __future__ import annotations

import dataclasses
import enum
import json
import numbers
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from ulna.atomic_file import write_atomic
from ulna.config.migrations import migrated
from ulna.errors import ConfigError
from ulna.json_text import parse_json

T = TypeVar("T")


def to_json(value: object) -> Any:
    """`value` (dataclass, enum, path, tuple, mapping or scalar) as plain JSON types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(to_json(k)): to_json(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(v) for v in value]
    return value if isinstance(value, (str, int, float)) else _plain_number(value)


def _plain_number(value: object) -> object:
    """NumPy's scalars count as numbers wherever settings are checked, but not for json."""
    if isinstance(value, numbers.Integral):
        return int(value)
    return float(value) if isinstance(value, numbers.Real) else value


def from_json(kind: type[T], data: Any, where: str = "") -> T:
    """`data` as the dataclass `kind`.

    Raises ConfigError for a missing or unknown key or a value of another type, naming its place.
    """
    place = where or kind.__name__
    if not isinstance(data, Mapping):
        raise ConfigError(f"{place}: expected an object, got {type(data).__name__}")
    data = migrated(kind.__name__, data)
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(data) - set(fields))
    if unknown:
        raise ConfigError(f"{place}: unknown key {unknown[0]!r}: expected {', '.join(fields)}")
    values = {n: _decode(hints[n], v, f"{place}.{n}") for n, v in data.items()}
    missing = [
        n
        for n, f in fields.items()
        if n not in values
        and f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{place}: key {missing[0]!r} is missing")
    return kind(**values)


def _decode(hint: Any, data: Any, place: str) -> Any:
    origin = typing.get_origin(hint)
    args = typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        inner = [a for a in args if a is not type(None)]
        return None if data is None else _decode(inner[0], data, place)
    if origin is typing.Literal:
        if data not in args:
            raise ConfigError(f"{place}: {data!r} is not one of {', '.join(map(str, args))}")
        return data
    if origin is tuple:
        return _decode_tuple(args, data, place)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(data, Mapping):
            raise ConfigError(f"{place}: expected an object, got {type(data).__name__}")
        return {
            _decode(args[0], k, place): _decode(args[1], v, f"{place}.{k}") for k, v in data.items()
        }
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_json(hint, data, place)
    return _decode_scalar(hint, data, place)


def _decode_tuple(args: tuple[Any, ...], data: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(data, (list, tuple)):
        raise ConfigError(f"{place}: expected a list, got {type(data).__name__}")
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_decode(args[0], v, f"{place}[{i}]") for i, v in enumerate(data))
    if len(args) != len(data):
        raise ConfigError(f"{place}: expected {len(args)} values, got {len(data)}")
    return tuple(
        _decode(a, v, f"{place}[{i}]") for i, (a, v) in enumerate(zip(args, data, strict=True))
    )


def _decode_scalar(hint: Any, data: Any, place: str) -> Any:
    if hint is Any:
        return data
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        try:
            return hint(data)
        except ValueError:
            known = ", ".join(str(m.value) for m in hint)
            raise ConfigError(f"{place}: {data!r} is not one of {known}") from None
    if hint is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if hint is Path and isinstance(data, str):
        return Path(data)
    if not isinstance(data, hint) or (hint in (int, float) and isinstance(data, bool)):
        raise ConfigError(f"{place}: expected {hint.__name__}, got {data!r}")
    return data


def read_json(kind: type[T], path: Path) -> T:
    """The dataclass `kind` from a JSON file; ConfigError names file and fault."""
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file: expected a {kind.__name__} as JSON") from None
    except ValueError as error:  # ValueError: also numbers of 4300 digits
        raise ConfigError(f"{path}: not readable as JSON: {error}") from None
    return from_json(kind, data, f"{path.name}")


def write_json(value: object, path: Path) -> None:
    """Write `value` as sorted, indented JSON, complete or not at all (temporary file, rename)."""
    write_atomic(path, json.dumps(to_json(value), indent=1, sort_keys=True) + "\n")
