"""The recipe to train: found by name or file, with changed settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ulna.errors import ConfigError
from ulna.json_text import parse_json

if TYPE_CHECKING:
    from ulna.config.recipe import Recipe


def choose_recipe(
    name: Recipe | str,
    changes: Sequence[str] = (),
    initial: Sequence[str] = (),
    encoders: str | None = None,
) -> Recipe:
    """Return the recipe called `name`, of the JSON file `name`, or `name` itself, with changes.

    encoders: comma-separated names of experts that replace the recipe's (see `with_encoders`),
    before anything else is changed. changes: 'key=value' with dots between levels and an expert's
    name (or `*` for every expert) after `experts`: 'seed=3', 'input_spec.size=128',
    'experts.cnn.epochs=5'. The value is JSON, or else text. initial: 'KIND[:PATH]' for every expert
    or 'EXPERT=KIND[:PATH]' for one; with 'random' all stages are trained, whatever the recipe
    freezes. Raises ConfigError.
    """
    from pathlib import Path

    from ulna.config.codec import from_json, read_json, to_json
    from ulna.config.recipe import Recipe
    from ulna.recipes import find_recipe
    from ulna.recipes.encoders import with_encoders

    if isinstance(name, Recipe):
        recipe = name
    else:
        recipe = read_json(Recipe, Path(name)) if name.endswith(".json") else find_recipe(name)
    if encoders is not None:
        recipe = with_encoders(recipe, [e.strip() for e in encoders.split(",")])
    data = to_json(recipe)
    apply_changes(data, changes)
    _set_starts(data["experts"], initial)
    return from_json(Recipe, data, "recipe")


def _set_starts(experts: Any, initial: Sequence[str]) -> None:
    """Set the initial weights of `experts` (JSON types); a later entry overrides an earlier one."""
    changed = []
    for start in initial:
        name, equals, text = start.partition("=")
        kind, _, path = (text if equals else start).partition(":")
        for _, i in _places(experts, name if equals else "*", start):
            experts[i]["initial"] |= {"kind": kind, "path": path}
            changed.append(i)
    for i in changed:
        if experts[i]["initial"]["kind"] == "random":
            experts[i]["frozen_stages"] = 0


def apply_changes(data: Any, changes: Sequence[str]) -> None:
    """Set each 'key=value' of `changes` in settings of JSON types. Raises ConfigError."""
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {change!r}: expected KEY=VALUE, like seed=3")
        _set(data, key, _value(value), change)


def _value(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        return text


def _set(data: Any, key: str, value: Any, change: str) -> None:
    head, _, rest = key.partition(".")
    for holder, name in _places(data, head, change):
        if rest:
            _set(holder[name], rest, value, change)
        else:
            holder[name] = value


def _places(data: Any, head: str, change: str) -> list[tuple[Any, Any]]:
    """Return container and key of every place that `head` names in `data`."""
    if isinstance(data, dict) and head in data:
        return [(data, head)]
    if isinstance(data, list) and all(isinstance(v, dict) and "name" in v for v in data):
        chosen = [(data, i) for i, v in enumerate(data) if head in ("*", v["name"])]
        if chosen:
            return chosen
    if data is None or data == {}:
        raise ConfigError(
            f"{change!r}: no {head!r} here: nothing is set yet: give the whole object as JSON"
        )
    if isinstance(data, dict):
        known = ", ".join(map(str, data))
    elif isinstance(data, list):
        known = ", ".join(["*", *(str(v["name"]) for v in data if isinstance(v, dict))])
    else:
        known = "no deeper level"
    raise ConfigError(f"{change!r}: no {head!r} here: expected one of {known}")
